-- Campaigns. Every read has the same columns in the same order: campaign.c reads them in one place.

-- name: campaign_by_row
SELECT c.row_id, c.tenant_row, c.id, c.name, c.release_row, c.target, c.salt, c.priority, c.state,
       c.state_reason, c.pause_share, c.pause_failures, c.pause_sample, c.abort_share, c.abort_failures,
       c.abort_sample, c.accepted_failures, c.attempts_max, c.stale_after, c.confirm_after,
       c.verify_timeout, c.offer_ttl, c.rate, c.stops_transfers, c.change, c.created_by, c.created_at,
       c.started_at, c.state_at, c.bytes_served, r.id, r.version, r.state, r.security_version
FROM campaign AS c JOIN release AS r ON r.row_id = c.release_row
WHERE c.row_id = :campaign;

-- name: campaign_row_by_id
SELECT row_id FROM campaign WHERE tenant_row = :tenant AND id = :id;

-- name: campaign_live
SELECT c.row_id, c.tenant_row, c.id, c.name, c.release_row, c.target, c.salt, c.priority, c.state,
       c.state_reason, c.pause_share, c.pause_failures, c.pause_sample, c.abort_share, c.abort_failures,
       c.abort_sample, c.accepted_failures, c.attempts_max, c.stale_after, c.confirm_after,
       c.verify_timeout, c.offer_ttl, c.rate, c.stops_transfers, c.change, c.created_by, c.created_at,
       c.started_at, c.state_at, c.bytes_served, r.id, r.version, r.state, r.security_version
FROM campaign AS c JOIN release AS r ON r.row_id = c.release_row
WHERE c.state IN ('running', 'paused', 'finishing')
   OR (c.state IN ('finished', 'aborted', 'cancelled', 'superseded', 'expired')
       AND EXISTS (SELECT 1 FROM deployment_count AS n
                   WHERE n.campaign_row = c.row_id AND n.count > 0
                     AND n.state IN ('offered', 'downloading', 'downloaded', 'waiting', 'installing',
                                     'verifying')))
ORDER BY c.priority DESC, c.row_id DESC;

-- name: campaign_page
SELECT c.row_id, c.tenant_row, c.id, c.name, c.release_row, c.target, c.salt, c.priority, c.state,
       c.state_reason, c.pause_share, c.pause_failures, c.pause_sample, c.abort_share, c.abort_failures,
       c.abort_sample, c.accepted_failures, c.attempts_max, c.stale_after, c.confirm_after,
       c.verify_timeout, c.offer_ttl, c.rate, c.stops_transfers, c.change, c.created_by, c.created_at,
       c.started_at, c.state_at, c.bytes_served, r.id, r.version, r.state, r.security_version
FROM campaign AS c JOIN release AS r ON r.row_id = c.release_row
WHERE c.row_id < :before AND c.tenant_row = :tenant
ORDER BY c.row_id DESC LIMIT :limit;

-- name: campaign_page_by_state
SELECT c.row_id, c.tenant_row, c.id, c.name, c.release_row, c.target, c.salt, c.priority, c.state,
       c.state_reason, c.pause_share, c.pause_failures, c.pause_sample, c.abort_share, c.abort_failures,
       c.abort_sample, c.accepted_failures, c.attempts_max, c.stale_after, c.confirm_after,
       c.verify_timeout, c.offer_ttl, c.rate, c.stops_transfers, c.change, c.created_by, c.created_at,
       c.started_at, c.state_at, c.bytes_served, r.id, r.version, r.state, r.security_version
FROM campaign AS c JOIN release AS r ON r.row_id = c.release_row
WHERE c.state = :state AND c.row_id < :before AND c.tenant_row = :tenant
ORDER BY c.row_id DESC LIMIT :limit;

-- name: campaign_insert
INSERT INTO campaign (tenant_row, id, name, release_row, target, salt, priority, state,
                      pause_share, pause_failures, pause_sample, abort_share, abort_failures, abort_sample,
                      attempts_max, stale_after, confirm_after, verify_timeout, offer_ttl, rate,
                      created_by, created_at, state_at)
VALUES (:tenant, :id, :name, :release, :target, :salt, :priority, :state,
        :pause_share, :pause_failures, :pause_sample, :abort_share, :abort_failures, :abort_sample,
        :attempts_max, :stale_after, :confirm_after, :verify_timeout, :offer_ttl, :rate,
        :created_by, :now, :now);

-- name: campaign_save
UPDATE campaign
SET state = :state, state_reason = :state_reason, state_at = :state_at, started_at = :started_at,
    accepted_failures = :accepted_failures, stops_transfers = :stops_transfers, change = :change
WHERE row_id = :campaign;

-- name: campaign_add_bytes
UPDATE campaign SET bytes_served = bytes_served + :more WHERE row_id = :campaign;
