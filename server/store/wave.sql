-- Waves of campaigns.

-- name: waves_of
SELECT row_id, campaign_row, position, kind, amount, rank_limit, state, state_reason, min_confirmed,
       coverage, soak, gate, members, active, counted_resolved, counted_at, opened_at, covered_at, state_at
FROM wave WHERE campaign_row = :campaign ORDER BY position;

-- name: wave_insert
INSERT INTO wave (campaign_row, position, kind, amount, rank_limit, state, min_confirmed, coverage, soak,
                  gate, state_at)
VALUES (:campaign, :position, :kind, :amount, :rank_limit, :state, :min_confirmed, :coverage, :soak,
        :gate, :now);

-- name: wave_save
UPDATE wave
SET rank_limit = :rank_limit, state = :state, state_reason = :state_reason, members = :members,
    active = :active, counted_resolved = :counted_resolved, counted_at = :counted_at,
    opened_at = :opened_at, covered_at = :covered_at, state_at = :state_at
WHERE row_id = :wave;
