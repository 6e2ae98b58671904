-- Operators, their certificates and bearer tokens.

-- name: operator_by_fingerprint
SELECT o.row_id, o.tenant_row, o.id, o.role, o.state, o.created_at, c.state, c.not_after_at
FROM operator_certificate AS c JOIN operator AS o ON o.row_id = c.operator_row
WHERE c.fingerprint = :fingerprint;

-- name: operator_by_id
SELECT row_id, tenant_row, id, role, state, created_at
FROM operator WHERE tenant_row = :tenant AND id = :id;

-- name: operator_page
SELECT row_id, tenant_row, id, role, state, created_at
FROM operator WHERE tenant_row = :tenant AND id > :after ORDER BY id LIMIT :limit;

-- name: operator_any
SELECT 1 FROM operator LIMIT 1;

-- name: operator_other_admin
SELECT 1 FROM operator WHERE tenant_row = :tenant AND role = 'admin' AND state = 'active' AND row_id <> :operator
LIMIT 1;

-- name: operator_insert
INSERT INTO operator (tenant_row, id, role, state, created_at) VALUES (:tenant, :id, :role, 'active', :now);

-- name: operator_revoke
UPDATE operator SET state = 'revoked' WHERE row_id = :operator;

-- name: operator_certificate_insert
INSERT INTO operator_certificate (fingerprint, operator_row, state, not_after_at, created_at)
VALUES (:fingerprint, :operator, 'active', :not_after, :now);

-- name: operator_certificates_revoke
UPDATE operator_certificate SET state = 'revoked' WHERE operator_row = :operator;

-- name: token_by_id
SELECT t.id, t.secret_hash, t.role, t.note, t.created_by, t.created_at, t.expires_at, t.revoked_at,
       o.row_id, o.tenant_row, o.id, o.role, o.state, o.created_at
FROM token AS t JOIN operator AS o ON o.row_id = t.operator_row
WHERE t.id = :id;

-- name: token_page
SELECT t.id, t.secret_hash, t.role, t.note, t.created_by, t.created_at, t.expires_at, t.revoked_at,
       o.row_id, o.tenant_row, o.id, o.role, o.state, o.created_at
FROM token AS t JOIN operator AS o ON o.row_id = t.operator_row
WHERE o.tenant_row = :tenant AND t.id > :after ORDER BY t.id LIMIT :limit;

-- name: token_insert
INSERT INTO token (id, secret_hash, operator_row, role, note, created_by, created_at, expires_at)
VALUES (:id, :secret_hash, :operator, :role, :note, :created_by, :now, :expires);

-- name: token_revoke
UPDATE token SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL;

-- name: tokens_revoke
UPDATE token SET revoked_at = :now WHERE operator_row = :operator AND revoked_at IS NULL;
