-- Lists of devices named one by one.

-- name: device_list_insert
INSERT INTO device_list (tenant_row, id, name, sha256, count, created_by, created_at)
VALUES (:tenant, :id, :name, :sha256, :count, :created_by, :now);

-- name: device_list_add
INSERT INTO device_list_member (list_row, device_row)
SELECT :list, row_id FROM device WHERE tenant_row = :tenant AND id = :id;

-- name: device_list_by_id
SELECT row_id, tenant_row, id, name, sha256, count, created_by, created_at
FROM device_list WHERE id = :id AND tenant_row = :tenant;

-- name: device_list_delete
DELETE FROM device_list WHERE row_id = :list;

-- name: device_list_has
SELECT 1 FROM device_list_member WHERE list_row = :list AND device_row = :device;

-- name: device_list_named_has
SELECT 1 FROM device_list AS l JOIN device_list_member AS m ON m.list_row = l.row_id
WHERE l.id = :list AND m.device_row = :device;

-- name: device_list_page
SELECT row_id, tenant_row, id, name, sha256, count, created_by, created_at
FROM device_list WHERE row_id < :before AND tenant_row = :tenant ORDER BY row_id DESC LIMIT :limit;

-- A campaign that is not over and names the list in its plan.
-- name: device_list_user
SELECT id FROM campaign
WHERE state IN ('draft', 'review', 'scheduled', 'running', 'paused', 'finishing')
  AND tenant_row = :tenant AND plan LIKE '%"list":{"id":"' || :id || '"%' LIMIT 1;
