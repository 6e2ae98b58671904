-- Freezes by calendar, and the emergency stop.

-- name: freeze_insert
INSERT INTO freeze (tenant_row, id, reason, target, from_at, until_at, created_by, created_at)
VALUES (:tenant, :id, :reason, :target, :from, :until, :created_by, :now);

-- name: freeze_by_id
SELECT row_id, tenant_row, id, reason, target, from_at, until_at, created_by, created_at
FROM freeze WHERE id = :id AND tenant_row = :tenant;

-- name: freeze_delete
DELETE FROM freeze WHERE row_id = :freeze;

-- name: freeze_page
SELECT row_id, tenant_row, id, reason, target, from_at, until_at, created_by, created_at
FROM freeze WHERE tenant_row = :tenant AND until_at > :after ORDER BY until_at, row_id;

-- name: freeze_page_of_all
SELECT f.row_id, f.tenant_row, f.id, f.reason, f.target, f.from_at, f.until_at, f.created_by, f.created_at
FROM tenant AS t JOIN freeze AS f ON f.tenant_row = t.row_id
WHERE f.until_at > :after ORDER BY f.until_at, f.row_id;

-- name: halt_of
SELECT reason, halted_by, halted_at FROM halt WHERE tenant_row = :tenant;

-- name: halt_tenants
SELECT h.tenant_row FROM tenant AS t JOIN halt AS h ON h.tenant_row = t.row_id;

-- name: halt_set
INSERT INTO halt (tenant_row, reason, halted_by, halted_at) VALUES (:tenant, :reason, :halted_by, :now)
ON CONFLICT (tenant_row) DO UPDATE SET
    reason = excluded.reason, halted_by = excluded.halted_by, halted_at = excluded.halted_at;

-- name: halt_delete
DELETE FROM halt WHERE tenant_row = :tenant;

-- name: halt_lifted
UPDATE tenant SET resumed_at = :now WHERE row_id = :tenant;

-- name: halt_lifted_at
SELECT resumed_at FROM tenant WHERE row_id = :tenant;
