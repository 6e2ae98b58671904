-- Drafts of role files, and the signatures gathered for them.

-- name: draft_get
SELECT row_id, tenant_row, id, role, version, state, payload, created_at
FROM draft WHERE id = :id AND state <> 'dropped';

-- name: draft_page
SELECT id FROM draft WHERE tenant_row = :tenant AND state = 'open' AND id > :after ORDER BY id LIMIT :limit;

-- name: draft_count_open
SELECT COUNT(*) FROM draft WHERE tenant_row = :tenant AND state = 'open';

-- name: draft_insert
INSERT INTO draft (tenant_row, id, role, version, payload, state, created_by, created_at)
VALUES (:tenant, :id, :role, :version, :payload, 'open', :created_by, :created_at);

-- name: draft_publish
UPDATE draft SET state = 'published' WHERE row_id = :draft AND state = 'open';

-- name: draft_drop
DELETE FROM draft WHERE row_id = :draft AND state = 'open';

-- name: draft_signature_insert
INSERT INTO draft_signature (draft_row, keyid, signature, added_by, added_at)
VALUES (:draft, :keyid, :signature, :added_by, :added_at)
ON CONFLICT (draft_row, keyid) DO NOTHING;

-- name: draft_signatures
SELECT keyid, signature, added_by, added_at FROM draft_signature WHERE draft_row = :draft ORDER BY keyid;
