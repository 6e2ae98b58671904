-- Answers kept under the Idempotency-Key of their request.

-- name: idempotency_find
SELECT request_hash, status, body FROM idempotency
WHERE tenant_row = :tenant AND operator = :operator AND key = :key AND created_at > :since;

-- name: idempotency_keep
INSERT INTO idempotency (tenant_row, operator, key, request_hash, status, body, created_at)
VALUES (:tenant, :operator, :key, :request_hash, :status, :body, :now)
ON CONFLICT (tenant_row, operator, key) DO UPDATE
SET request_hash = excluded.request_hash, status = excluded.status, body = excluded.body,
    created_at = excluded.created_at;

-- name: idempotency_expire
DELETE FROM idempotency WHERE created_at <= :since;

-- The newest :most stay; those of one second go together.
-- name: idempotency_trim
-- scan: walks the index over the :most that are kept.
DELETE FROM idempotency
WHERE created_at <= (SELECT created_at FROM idempotency ORDER BY created_at DESC LIMIT 1 OFFSET :most);
