-- Uploads; the bytes that arrived are counted on disk.

-- name: upload_get
SELECT row_id, tenant_row, id, file, size, sha256, encoding, state, created_at, updated_at
FROM upload WHERE id = :id;

-- name: upload_in_state
SELECT row_id, tenant_row, id, file, size, sha256, encoding, state, created_at, updated_at
FROM upload WHERE state = :state AND updated_at < :before ORDER BY updated_at;

-- name: upload_insert
INSERT INTO upload (tenant_row, id, file, size, sha256, encoding, state, created_by, created_at, updated_at)
VALUES (:tenant, :id, :file, :size, :sha256, :encoding, 'open', :created_by, :now, :now);

-- name: upload_set_state
UPDATE upload SET state = :state, updated_at = :now WHERE row_id = :upload AND state = 'open';

-- name: upload_delete
DELETE FROM upload WHERE row_id = :upload;
