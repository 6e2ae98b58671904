-- Channels and their baselines, and which devices were put into one by hand.

-- name: channel_row_by_id
SELECT row_id FROM channel WHERE tenant_row = :tenant AND id = :id;

-- name: channel_by_row
SELECT row_id, tenant_row, id, position, rule, next_row, promotion, created_at
FROM channel WHERE row_id = :channel;

-- name: channel_page
SELECT row_id, tenant_row, id, position, rule, next_row, promotion, created_at
FROM channel WHERE :tenant = 0 OR tenant_row = :tenant ORDER BY position, row_id;

-- name: channel_insert
INSERT INTO channel (tenant_row, id, position, rule, next_row, promotion, created_at)
VALUES (:tenant, :id, :position, :rule, :next, :promotion, :now);

-- name: channel_save
UPDATE channel SET position = :position, rule = :rule, next_row = :next, promotion = :promotion
WHERE row_id = :channel;

-- What points at a channel lets it go before it is deleted; plans keep its name.

-- name: channel_leave_chain
UPDATE channel SET next_row = NULL WHERE next_row = :channel;

-- name: channel_leave_devices
UPDATE device SET channel_row = NULL, channel_until_at = NULL WHERE channel_row = :channel;

-- name: channel_leave_campaigns
UPDATE campaign SET channel_row = NULL WHERE channel_row = :channel;

-- name: channel_delete
DELETE FROM channel WHERE row_id = :channel;

-- name: channel_member
UPDATE device SET channel_row = :channel, channel_until_at = :until WHERE row_id = :device;

-- name: channel_membership
SELECT d.channel_row, d.channel_until_at, h.id
FROM device AS d JOIN channel AS h ON h.row_id = d.channel_row WHERE d.row_id = :device;

-- name: channel_memberships_ended
SELECT d.row_id, d.tenant_row, d.id, h.id
FROM device AS d JOIN channel AS h ON h.row_id = d.channel_row
WHERE d.channel_until_at <= :now ORDER BY d.channel_until_at LIMIT :limit;

-- name: baseline_set
INSERT INTO channel_baseline (channel_row, product_row, release_row, campaign_row, set_by, set_at)
VALUES (:channel, :product, :release, :campaign, :set_by, :now)
ON CONFLICT (channel_row, product_row) DO UPDATE SET
    release_row = excluded.release_row, campaign_row = excluded.campaign_row, set_by = excluded.set_by,
    set_at = excluded.set_at;

-- name: baseline_of
SELECT b.channel_row, b.product_row, b.release_row, b.campaign_row, b.set_at, r.id, c.id, b.set_by
FROM channel_baseline AS b JOIN release AS r ON r.row_id = b.release_row
                           JOIN campaign AS c ON c.row_id = b.campaign_row
WHERE b.channel_row = :channel AND b.product_row = :product;

-- name: baseline_page
SELECT b.channel_row, b.product_row, b.release_row, b.campaign_row, b.set_at, r.id, c.id, b.set_by
FROM channel_baseline AS b JOIN release AS r ON r.row_id = b.release_row
                           JOIN campaign AS c ON c.row_id = b.campaign_row
WHERE b.channel_row = :channel ORDER BY b.product_row;

-- name: baseline_delete
DELETE FROM channel_baseline WHERE channel_row = :channel AND product_row = :product;
