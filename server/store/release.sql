-- Products, their releases and the releases' targets.

-- name: product_keep
INSERT INTO product (tenant_row, id, created_at) VALUES (:tenant, :id, :now)
ON CONFLICT (tenant_row, id) DO NOTHING;

-- name: product_row
SELECT row_id FROM product WHERE tenant_row = :tenant AND id = :id;

-- name: release_by_id
SELECT r.row_id, r.tenant_row, r.id, p.id, r.version, r.security_version, r.security_floor,
       r.release_counter, r.severity, r.state, r.metadata_version, r.published_at,
       r.product_row, r.is_floor, r.dead_end
FROM release AS r JOIN product AS p ON p.row_id = r.product_row
WHERE r.tenant_row = :tenant AND r.id = :id;

-- name: release_by_row
SELECT r.row_id, r.tenant_row, r.id, p.id, r.version, r.security_version, r.security_floor,
       r.release_counter, r.severity, r.state, r.metadata_version, r.published_at,
       r.product_row, r.is_floor, r.dead_end
FROM release AS r JOIN product AS p ON p.row_id = r.product_row
WHERE r.row_id = :release;

-- name: release_page
SELECT r.row_id, r.tenant_row, r.id, p.id, r.version, r.security_version, r.security_floor,
       r.release_counter, r.severity, r.state, r.metadata_version, r.published_at,
       r.product_row, r.is_floor, r.dead_end
FROM release AS r JOIN product AS p ON p.row_id = r.product_row
WHERE r.tenant_row = :tenant AND r.id > :after
  AND (:product IS NULL OR p.id = :product) AND (:state IS NULL OR r.state = :state)
ORDER BY r.id LIMIT :limit;

-- name: release_not_in
SELECT r.row_id, r.tenant_row, r.id, p.id, r.version, r.security_version, r.security_floor,
       r.release_counter, r.severity, r.state, r.metadata_version, r.published_at,
       r.product_row, r.is_floor, r.dead_end
FROM release AS r JOIN product AS p ON p.row_id = r.product_row
WHERE r.product_row = :product AND r.state <> 'withdrawn' AND r.metadata_version <> :metadata_version;

-- name: release_line
SELECT r.row_id, r.tenant_row, r.id, p.id, r.version, r.security_version, r.security_floor,
       r.release_counter, r.severity, r.state, r.metadata_version, r.published_at,
       r.product_row, r.is_floor, r.dead_end
FROM release AS r JOIN product AS p ON p.row_id = r.product_row
WHERE r.product_row = :product ORDER BY r.release_counter, r.row_id;

-- name: release_devices
SELECT COUNT(*) FROM device WHERE tenant_row = :tenant AND version = :version;

-- name: release_keep
INSERT INTO release (tenant_row, product_row, id, version, security_version, security_floor,
                     release_counter, severity, state, metadata_version, published_at)
VALUES (:tenant, :product, :id, :version, :security_version, :security_floor,
        :release_counter, :severity, 'published', :metadata_version, :published_at)
ON CONFLICT (tenant_row, id) DO UPDATE SET
    severity = excluded.severity, state = 'published', metadata_version = excluded.metadata_version;

-- name: release_withdraw
UPDATE release SET state = 'withdrawn' WHERE row_id = :release;

-- name: target_keep
INSERT INTO target (release_row, path, file, component, kind, version, security_version, security_floor,
                    release_counter, hardware_ids, custom, artifact_row)
VALUES (:release, :path, :file, :component, :kind, :version, :security_version, :security_floor,
        :release_counter, :hardware_ids, :custom, :artifact)
ON CONFLICT (release_row, path) DO UPDATE SET
    hardware_ids = excluded.hardware_ids, custom = excluded.custom;

-- name: target_by_row
SELECT t.row_id, t.release_row, t.artifact_row, t.path, t.file, t.component, t.version, t.kind,
       t.security_version, t.security_floor, t.release_counter, t.hardware_ids, t.custom,
       a.size, a.sha256, a.sha1, a.md5, a.state
FROM target AS t JOIN artifact AS a ON a.row_id = t.artifact_row
WHERE t.row_id = :target;

-- name: target_by_path
SELECT t.row_id, t.release_row, t.artifact_row, t.path, t.file, t.component, t.version, t.kind,
       t.security_version, t.security_floor, t.release_counter, t.hardware_ids, t.custom,
       a.size, a.sha256, a.sha1, a.md5, a.state
FROM target AS t JOIN artifact AS a ON a.row_id = t.artifact_row JOIN release AS r ON r.row_id = t.release_row
WHERE t.path = :path AND r.tenant_row = :tenant;

-- name: release_images
SELECT t.row_id, t.release_row, t.artifact_row, t.path, t.file, t.component, t.version, t.kind,
       t.security_version, t.security_floor, t.release_counter, t.hardware_ids, t.custom,
       a.size, a.sha256, a.sha1, a.md5, a.state
FROM target AS t JOIN artifact AS a ON a.row_id = t.artifact_row
WHERE t.release_row = :release AND t.kind <> 'chunks'
ORDER BY t.component, t.file;

-- name: product_history
SELECT t.path, t.component, a.sha256, a.size, t.security_version, t.security_floor, t.release_counter, r.state
FROM product AS p JOIN release AS r ON r.product_row = p.row_id
     JOIN target AS t ON t.release_row = r.row_id JOIN artifact AS a ON a.row_id = t.artifact_row
WHERE p.tenant_row = :tenant AND p.id = :product
ORDER BY t.path;

-- name: release_steer
UPDATE release SET is_floor = :is_floor, dead_end = :dead_end WHERE row_id = :release;
