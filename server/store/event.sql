-- What happened, newest last.

-- name: event_insert
INSERT INTO event (tenant_row, at, kind, device_row, campaign_row, deployment_row, attempt, message_hash,
                   from_state, to_state, cause, detail, told)
VALUES (:tenant, :at, :kind, :device, :campaign, :deployment, :attempt, :message_hash,
        :from_state, :to_state, :cause, :detail, :told);

-- name: event_message
SELECT 1 FROM event
WHERE deployment_row = :deployment AND attempt = :attempt AND message_hash = :message_hash LIMIT 1;

-- The last that was said of a deployment.
-- name: event_latest_message
SELECT attempt, message_hash FROM event
WHERE deployment_row = :deployment AND message_hash IS NOT NULL ORDER BY row_id DESC LIMIT 1;

-- name: event_of_device
SELECT row_id, at, tenant_row, kind, device_row, campaign_row, deployment_row, attempt, message_hash,
       from_state, to_state, cause, detail
FROM event WHERE device_row = :row AND row_id < :before ORDER BY row_id DESC LIMIT :limit;

-- name: event_of_campaign
SELECT row_id, at, tenant_row, kind, device_row, campaign_row, deployment_row, attempt, message_hash,
       from_state, to_state, cause, detail
FROM event WHERE campaign_row = :row AND row_id < :before ORDER BY row_id DESC LIMIT :limit;

-- name: event_of_deployment
SELECT row_id, at, tenant_row, kind, device_row, campaign_row, deployment_row, attempt, message_hash,
       from_state, to_state, cause, detail
FROM event WHERE deployment_row = :row AND row_id < :before ORDER BY row_id DESC LIMIT :limit;

-- What a device said of a deployment, the newest first.
-- name: event_told
SELECT row_id, at, attempt, told FROM event
WHERE deployment_row = :deployment AND row_id < :before AND told IS NOT NULL
ORDER BY row_id DESC LIMIT :limit;

-- name: event_told_count
SELECT count(*) FROM (SELECT 1 FROM event
                      WHERE deployment_row = :deployment AND attempt = :attempt AND told IS NOT NULL LIMIT :most);

-- name: event_trim
DELETE FROM event WHERE device_row = :device AND row_id <=
    (SELECT row_id FROM event WHERE device_row = :device ORDER BY row_id DESC LIMIT 1 OFFSET :keep);
