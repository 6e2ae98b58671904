-- Sites and their limits; the zones of devices.

-- name: site_by_id
SELECT row_id, tenant_row, id, zone, leases, bytes, created_at
FROM site WHERE tenant_row = :tenant AND id = :id;

-- name: site_set
INSERT INTO site (tenant_row, id, zone, leases, bytes, created_at)
VALUES (:tenant, :id, :zone, :leases, :bytes, :now)
ON CONFLICT (tenant_row, id) DO UPDATE SET
    zone = excluded.zone, leases = excluded.leases, bytes = excluded.bytes;

-- name: site_delete
DELETE FROM site WHERE row_id = :site;

-- name: site_page
SELECT row_id, tenant_row, id, zone, leases, bytes, created_at
FROM site WHERE tenant_row = :tenant AND id > :after ORDER BY id LIMIT :limit;

-- name: site_page_of_all
SELECT s.row_id, s.tenant_row, s.id, s.zone, s.leases, s.bytes, s.created_at
FROM tenant AS t JOIN site AS s ON s.tenant_row = t.row_id
WHERE s.id > :after ORDER BY s.id, s.row_id LIMIT :limit;

-- name: site_device_zone
UPDATE device SET zone = :zone, updated_at = :now WHERE row_id = :device;
