-- Waves of campaigns.

-- name: waves_of
SELECT row_id, campaign_row, position, rank_limit, state, state_reason, members, active,
       counted_resolved, counted_at, opened_at, covered_at, state_at, strata_limits, is_approved,
       accepted, held_for
FROM wave WHERE campaign_row = :campaign ORDER BY position;

-- name: wave_insert
INSERT INTO wave (campaign_row, position, rank_limit, state, state_at)
VALUES (:campaign, :position, :rank_limit, :state, :now);

-- name: wave_save
UPDATE wave
SET rank_limit = :rank_limit, state = :state, state_reason = :state_reason, members = :members,
    active = :active, counted_resolved = :counted_resolved, counted_at = :counted_at,
    opened_at = :opened_at, covered_at = :covered_at, state_at = :state_at,
    strata_limits = COALESCE(:strata_limits, strata_limits), is_approved = :is_approved,
    accepted = :accepted, held_for = :held_for
WHERE row_id = :wave;

-- name: waves_delete
DELETE FROM wave WHERE campaign_row = :campaign;
