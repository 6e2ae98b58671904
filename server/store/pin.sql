-- Pins of devices, and the standing campaigns that deliver them.

-- name: pin_of
SELECT p.device_row, p.release_row, p.campaign_row, p.created_at, p.expires_at, r.id, p.reason, p.created_by,
       c.id
FROM pin AS p LEFT JOIN release AS r ON r.row_id = p.release_row
     LEFT JOIN campaign AS c ON c.row_id = p.campaign_row
WHERE p.device_row = :device AND (p.expires_at IS NULL OR p.expires_at > :now);

-- name: pin_set
INSERT INTO pin (device_row, release_row, campaign_row, reason, created_by, created_at, expires_at)
VALUES (:device, :release, :campaign, :reason, :created_by, :now, :expires)
ON CONFLICT (device_row) DO UPDATE SET
    release_row = excluded.release_row, campaign_row = excluded.campaign_row, reason = excluded.reason,
    created_by = excluded.created_by, created_at = excluded.created_at, expires_at = excluded.expires_at;

-- name: pin_delete
DELETE FROM pin WHERE device_row = :device;

-- name: pin_count
-- scan: asked when the snapshot is made, not when devices poll
SELECT COUNT(*) FROM pin;

-- name: pin_campaign
SELECT row_id FROM campaign
WHERE state IN ('running', 'paused') AND kind = 'pin' AND release_row = :release AND plan_hash = :plan_hash
ORDER BY row_id DESC LIMIT 1;

-- name: pin_first_of_campaign
SELECT device_row FROM pin WHERE campaign_row = :campaign LIMIT 1;

-- name: pin_page
-- scan: pins are few beside devices; a worker's task
SELECT p.device_row, p.release_row, p.campaign_row, p.created_at, p.expires_at, r.id, p.reason, p.created_by,
       c.id, d.id
FROM pin AS p CROSS JOIN device AS d LEFT JOIN release AS r ON r.row_id = p.release_row
     LEFT JOIN campaign AS c ON c.row_id = p.campaign_row
WHERE d.row_id = p.device_row AND d.tenant_row = :tenant AND d.id > :after ORDER BY d.id LIMIT :limit;

-- name: pin_expired
SELECT p.device_row, p.release_row, p.campaign_row, p.created_at, p.expires_at, r.id, p.reason, p.created_by,
       c.id, d.id
FROM pin AS p JOIN device AS d ON d.row_id = p.device_row LEFT JOIN release AS r ON r.row_id = p.release_row
     LEFT JOIN campaign AS c ON c.row_id = p.campaign_row
WHERE p.expires_at <= :now ORDER BY p.expires_at LIMIT :limit;
