-- The chain of who changed what. Rows are never changed; triggers see to it.

-- name: audit_last
-- scan: from its end, one row
SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1;

-- name: audit_insert
INSERT INTO audit (sequence, at, actor_kind, actor, source, request, action, object, outcome, detail,
                   previous, hash)
VALUES (:sequence, :at, :actor_kind, :actor, :source, :request, :action, :object, :outcome, :detail,
        :previous, :hash);

-- name: audit_page
SELECT sequence, at, actor_kind, actor, source, request, action, object, outcome, detail, previous, hash
FROM audit WHERE sequence > :after ORDER BY sequence LIMIT :limit;
