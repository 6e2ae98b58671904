-- Published role files.

-- name: metadata_latest
SELECT version, expires_at, published_at, bytes, sha256
FROM metadata WHERE tenant_row = :tenant AND role = :role ORDER BY version DESC LIMIT 1;

-- name: metadata_find
SELECT version, expires_at, published_at, bytes, sha256
FROM metadata WHERE tenant_row = :tenant AND role = :role AND version = :version;

-- name: metadata_version
SELECT COALESCE(MAX(version), 0) FROM metadata WHERE tenant_row = :tenant AND role = :role;

-- name: metadata_insert
INSERT INTO metadata (tenant_row, role, version, bytes, sha256, expires_at, published_by, published_at)
VALUES (:tenant, :role, :version, :bytes, :sha256, :expires_at, :published_by, :published_at)
ON CONFLICT (tenant_row, role, version) DO NOTHING;

-- name: metadata_roles
-- scan: once at each start; a few rows per release
SELECT tenant_row, role, MAX(version) FROM metadata GROUP BY tenant_row, role ORDER BY tenant_row, role;
