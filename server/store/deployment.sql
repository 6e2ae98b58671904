-- Deployments. Every read of whole rows has the same columns in the same order.

-- name: deployment_by_action
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent
FROM deployment AS d
WHERE d.action = :action AND d.device_row = :device;

-- name: deployment_by_row
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent
FROM deployment AS d
WHERE d.row_id = :deployment;

-- name: deployments_of_device
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent,
       c.started_at, c.kind IN ('baseline', 'pin')
FROM deployment AS d JOIN campaign AS c ON c.row_id = d.campaign_row
WHERE d.device_row = :device
ORDER BY d.is_open DESC, d.row_id DESC LIMIT :limit;

-- name: deployment_in_campaign
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent,
       c.started_at, c.kind IN ('baseline', 'pin')
FROM deployment AS d JOIN campaign AS c ON c.row_id = d.campaign_row
WHERE d.device_row = :device AND d.campaign_row = :campaign;

-- name: deployments_since
SELECT row_id, action, device_row, campaign_row, wave, release_row, state, is_open,
       is_cancelling, is_unproven, attempt, failures, counted_as, class, retry_at,
       version_before, boot_id_before, bytes_served, polls_since, boots_since, boots_from,
       final_hash, offered_at, state_at, rate, stratum, interruptions, consent_at,
       fetches, held_until_at, asks_consent
FROM deployment
WHERE campaign_row = :campaign AND state = :state AND state_at <= :before
ORDER BY state_at LIMIT :limit;

-- name: deployments_silent
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent
FROM deployment AS d LEFT JOIN device_seen AS s ON s.device_row = d.device_row
WHERE d.campaign_row = :campaign AND d.state = :state AND d.state_at <= :before
  AND COALESCE(s.seen_at, 0) <= :before
ORDER BY d.state_at LIMIT :limit;

-- name: deployments_latest
SELECT row_id, action, device_row, campaign_row, wave, release_row, state, is_open,
       is_cancelling, is_unproven, attempt, failures, counted_as, class, retry_at,
       version_before, boot_id_before, bytes_served, polls_since, boots_since, boots_from,
       final_hash, offered_at, state_at, rate, stratum, interruptions, consent_at,
       fetches, held_until_at, asks_consent
FROM deployment
WHERE campaign_row = :campaign AND state = :state AND state_at >= :since
ORDER BY state_at DESC LIMIT :limit;

-- name: deployment_page
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent, v.id, d.detail
FROM deployment AS d JOIN device AS v ON v.row_id = d.device_row
WHERE d.campaign_row = :campaign AND d.row_id < :before
ORDER BY d.row_id DESC LIMIT :limit;

-- name: deployment_page_by_state
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent, v.id, d.detail
FROM deployment AS d JOIN device AS v ON v.row_id = d.device_row
WHERE d.campaign_row = :campaign AND d.state = :state AND d.row_id < :before
ORDER BY d.row_id DESC LIMIT :limit;

-- name: deployment_page_of_device
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent, v.id, d.detail
FROM deployment AS d JOIN device AS v ON v.row_id = d.device_row
WHERE d.device_row = :device AND d.action < :before
ORDER BY d.action DESC LIMIT :limit;

-- name: deployment_insert
INSERT INTO deployment (action, device_row, campaign_row, wave, release_row, state, is_open, counted_as,
                        version_before, boot_id_before, rate, stratum, asks_consent, offered_at, state_at)
VALUES (:action, :device, :campaign, :wave, :release, :state, 1, :state,
        :version_before, :boot_id_before, :rate, :stratum, :asks_consent, :now, :now);

-- name: deployment_save
UPDATE deployment
SET action = :action, state = :state, is_open = :is_open, is_cancelling = :is_cancelling,
    is_unproven = :is_unproven, attempt = :attempt, failures = :failures, counted_as = :counted_as,
    class = :class, detail = COALESCE(:detail, detail), retry_at = :retry_at,
    version_before = :version_before, boot_id_before = :boot_id_before, bytes_served = :bytes_served,
    polls_since = :polls_since, boots_since = :boots_since, boots_from = :boots_from,
    final_hash = :final_hash, offered_at = :offered_at, state_at = :state_at, release_row = :release,
    wave = :wave, rate = :rate, interruptions = :interruptions, fetches = :fetches,
    held_until_at = :held_until, asks_consent = :asks_consent
WHERE row_id = :deployment;

-- name: deployment_consent
UPDATE deployment SET consent_at = :now, consent_by = :by
WHERE row_id = :deployment AND (consent_at IS NULL OR :now IS NULL);

-- name: deployment_count_add
INSERT INTO deployment_count (campaign_row, wave, state, count)
VALUES (:campaign, :wave, :state, :more)
ON CONFLICT (campaign_row, wave, state) DO UPDATE SET count = deployment_count.count + excluded.count;

-- name: deployment_counts
SELECT wave, state, count FROM deployment_count WHERE campaign_row = :campaign AND count > 0;

-- name: deployment_failed_alike
SELECT count(*) FROM (
    SELECT 1 FROM deployment
    WHERE campaign_row = :campaign AND state = 'failed' AND class = :class AND row_id <> :deployment
    LIMIT 2) AS others;

-- Counting the fleet: the store writes a condition about the device in place of `:condition`.

-- name: deployment_scan
SELECT d.row_id, d.id, d.model, d.hardware, d.site, d.version, d.floor, s.seen_at, d.channel_row,
       d.channel_until_at, d.created_at, n.device_row, n.release_row, p.state, p.wave, d.announce, s.client
FROM device AS d
LEFT JOIN device_seen AS s ON s.device_row = d.row_id
LEFT JOIN pin AS n ON n.device_row = d.row_id AND (n.expires_at IS NULL OR n.expires_at > :now)
LEFT JOIN deployment AS p ON p.device_row = d.row_id AND p.campaign_row = :campaign
WHERE d.tenant_row = :tenant AND d.state = 'active' AND (p.state IS NOT NULL OR (:condition));

-- name: device_scan
SELECT d.row_id, d.id, d.model, d.hardware, d.site, d.version, d.floor, s.seen_at, d.channel_row,
       d.channel_until_at, d.created_at, n.device_row, n.release_row, NULL, NULL, d.announce, s.client
FROM device AS d
LEFT JOIN device_seen AS s ON s.device_row = d.row_id
LEFT JOIN pin AS n ON n.device_row = d.row_id AND (n.expires_at IS NULL OR n.expires_at > :now)
WHERE d.tenant_row = :tenant AND d.state = 'active' AND (:condition);

-- name: deployment_permission
SELECT d.row_id, d.action, d.device_row, d.campaign_row, d.wave, d.release_row, d.state, d.is_open,
       d.is_cancelling, d.is_unproven, d.attempt, d.failures, d.counted_as, d.class, d.retry_at,
       d.version_before, d.boot_id_before, d.bytes_served, d.polls_since, d.boots_since, d.boots_from,
       d.final_hash, d.offered_at, d.state_at, d.rate, d.stratum, d.interruptions, d.consent_at,
       d.fetches, d.held_until_at, d.asks_consent, c.state
FROM target AS t
JOIN release AS r ON r.row_id = t.release_row
JOIN deployment AS d ON d.release_row = t.release_row AND d.device_row = :device
JOIN campaign AS c ON c.row_id = d.campaign_row
WHERE t.row_id = :target AND d.is_open = 1 AND d.is_cancelling = 0 AND c.stops_transfers = 0
  AND r.state = 'published'
  AND NOT EXISTS (SELECT 1 FROM halt AS h WHERE h.tenant_row = r.tenant_row)
ORDER BY d.row_id DESC LIMIT 1;

-- name: deployment_runs
SELECT d.release_row
FROM target AS t
JOIN release AS r ON r.row_id = t.release_row
JOIN deployment AS d ON d.release_row = t.release_row AND d.device_row = :device
JOIN device AS v ON v.row_id = d.device_row
WHERE t.row_id = :target AND d.state = 'confirmed' AND r.state = 'published'
  AND (v.version = r.version OR v.version = '')
  AND NOT EXISTS (SELECT 1 FROM halt AS h WHERE h.tenant_row = r.tenant_row)
LIMIT 1;
