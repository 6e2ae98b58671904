-- What campaigns hand on: to the next channel when they went well, back to an older release when not.

-- name: pipeline_waiting
SELECT row_id FROM campaign
WHERE promoted_at IS NULL AND covered_at IS NOT NULL AND channel_row IS NOT NULL
  AND kind = 'update' AND state IN ('finishing', 'finished')
ORDER BY channel_row, covered_at LIMIT :limit;

-- name: pipeline_promoted
UPDATE campaign SET promoted_at = :now WHERE row_id = :campaign AND promoted_at IS NULL;

-- name: pipeline_overtaken
UPDATE campaign SET promoted_at = :now
WHERE promoted_at IS NULL AND covered_at IS NOT NULL AND channel_row = :channel AND row_id < :campaign
  AND kind = 'update' AND release_row IN (SELECT row_id FROM release WHERE product_row = :product);

-- The newest of a channel that brought this release to all of its waves.
-- name: pipeline_source
SELECT row_id FROM campaign
WHERE channel_row = :channel AND release_row = :release AND kind = 'update' AND covered_at IS NOT NULL
  AND state IN ('finishing', 'finished')
ORDER BY row_id DESC LIMIT 1;

-- name: pipeline_open_in_channel
SELECT row_id FROM campaign
WHERE state IN ('draft', 'review', 'scheduled', 'running', 'paused', 'finishing')
  AND channel_row = :channel AND (:release = 0 OR release_row = :release)
ORDER BY row_id DESC LIMIT 1;

-- Where to go back to: published, below the bad one, not below its security floor nor beyond a floor
-- release; what most of the campaign's devices came from, else the newest.
-- name: pipeline_last_good
SELECT r.row_id FROM release AS bad JOIN release AS r ON r.product_row = bad.product_row
    LEFT JOIN (SELECT version_before, COUNT(*) AS devices FROM deployment
               WHERE campaign_row = :campaign GROUP BY version_before) AS ran ON ran.version_before = r.version
WHERE bad.row_id = :release AND r.state = 'published' AND r.release_counter < bad.release_counter
  AND r.security_version >= bad.security_floor AND r.dead_end = ''
  AND NOT EXISTS (SELECT 1 FROM release AS f
                  WHERE f.product_row = bad.product_row AND f.is_floor = 1
                    AND f.release_counter > r.release_counter AND f.release_counter <= bad.release_counter)
  AND (:only = 0 OR r.row_id = :only)
ORDER BY COALESCE(ran.devices, 0) DESC, r.release_counter DESC LIMIT 1;
