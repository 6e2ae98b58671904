-- Campaigns. Every read has the same columns in the same order: campaign.c reads them in one place.

-- name: campaign_by_row
SELECT c.row_id, c.tenant_row, c.id, c.name, c.release_row, c.plan, c.salt, c.priority, c.state,
       c.state_reason, c.plan_hash, c.kind, c.parent_row, c.covered_at, c.progress_at, c.paused_for,
       c.accepted_failures, c.stops_transfers, c.change, c.created_by, c.created_at, c.started_at,
       c.state_at, c.bytes_served, r.id, r.version, r.state, r.security_version, r.product_row,
       c.channel_row, c.planned_by
FROM campaign AS c JOIN release AS r ON r.row_id = c.release_row
WHERE c.row_id = :campaign;

-- name: campaign_row_by_id
SELECT row_id FROM campaign WHERE tenant_row = :tenant AND id = :id;

-- name: campaign_live
SELECT c.row_id, c.tenant_row, c.id, c.name, c.release_row, c.plan, c.salt, c.priority, c.state,
       c.state_reason, c.plan_hash, c.kind, c.parent_row, c.covered_at, c.progress_at, c.paused_for,
       c.accepted_failures, c.stops_transfers, c.change, c.created_by, c.created_at, c.started_at,
       c.state_at, c.bytes_served, r.id, r.version, r.state, r.security_version, r.product_row,
       c.channel_row, c.planned_by
FROM campaign AS c JOIN release AS r ON r.row_id = c.release_row
WHERE c.state IN ('scheduled', 'running', 'paused', 'finishing')
   OR (c.state IN ('finished', 'aborted', 'cancelled', 'superseded', 'expired')
       AND EXISTS (SELECT 1 FROM deployment_count AS n
                   WHERE n.campaign_row = c.row_id AND n.count > 0
                     AND n.state IN ('offered', 'downloading', 'downloaded', 'waiting', 'installing',
                                     'verifying')))
ORDER BY c.priority DESC, COALESCE(c.started_at, 0) DESC, c.row_id DESC;

-- name: campaign_page
SELECT c.row_id, c.tenant_row, c.id, c.name, c.release_row, c.plan, c.salt, c.priority, c.state,
       c.state_reason, c.plan_hash, c.kind, c.parent_row, c.covered_at, c.progress_at, c.paused_for,
       c.accepted_failures, c.stops_transfers, c.change, c.created_by, c.created_at, c.started_at,
       c.state_at, c.bytes_served, r.id, r.version, r.state, r.security_version, r.product_row,
       c.channel_row, c.planned_by
FROM campaign AS c JOIN release AS r ON r.row_id = c.release_row
WHERE c.row_id < :before AND c.tenant_row = :tenant
  AND (:channel = 0 OR c.channel_row = :channel) AND (:release = 0 OR c.release_row = :release)
ORDER BY c.row_id DESC LIMIT :limit;

-- name: campaign_page_by_state
SELECT c.row_id, c.tenant_row, c.id, c.name, c.release_row, c.plan, c.salt, c.priority, c.state,
       c.state_reason, c.plan_hash, c.kind, c.parent_row, c.covered_at, c.progress_at, c.paused_for,
       c.accepted_failures, c.stops_transfers, c.change, c.created_by, c.created_at, c.started_at,
       c.state_at, c.bytes_served, r.id, r.version, r.state, r.security_version, r.product_row,
       c.channel_row, c.planned_by
FROM campaign AS c JOIN release AS r ON r.row_id = c.release_row
WHERE c.state = :state AND c.row_id < :before AND c.tenant_row = :tenant
  AND (:channel = 0 OR c.channel_row = :channel) AND (:release = 0 OR c.release_row = :release)
ORDER BY c.row_id DESC LIMIT :limit;

-- name: campaign_insert
INSERT INTO campaign (tenant_row, id, name, release_row, channel_row, kind, parent_row, plan, plan_hash,
                      salt, priority, state, created_by, planned_by, created_at, state_at)
VALUES (:tenant, :id, :name, :release, :channel, :kind, :parent, :plan, :plan_hash,
        :salt, :priority, :state, :created_by, :planned_by, :now, :now);

-- name: campaign_save
UPDATE campaign
SET state = :state, state_reason = :state_reason, state_at = :state_at, started_at = :started_at,
    covered_at = :covered_at, progress_at = :progress_at, paused_for = :paused_for,
    accepted_failures = :accepted_failures, stops_transfers = :stops_transfers, change = :change
WHERE row_id = :campaign;

-- name: campaign_save_plan
UPDATE campaign
SET name = :name, release_row = :release, channel_row = :channel, kind = :kind, plan = :plan,
    plan_hash = :plan_hash, salt = :salt, planned_by = :planned_by, priority = :priority
WHERE row_id = :campaign;

-- name: campaign_add_bytes
UPDATE campaign SET bytes_served = bytes_served + :more WHERE row_id = :campaign;

-- name: campaign_progress
UPDATE campaign SET progress_at = :now
WHERE row_id = :campaign AND (progress_at IS NULL OR progress_at < :now);

-- name: campaign_progress_first
UPDATE campaign SET progress_at = :now WHERE row_id = :campaign AND progress_at IS NULL;
