-- Who said yes or no to which plan.

-- name: approval_set
INSERT INTO approval (campaign_row, plan_hash, operator, decision, note, at)
VALUES (:campaign, :plan_hash, :operator, :decision, :note, :now)
ON CONFLICT (campaign_row, plan_hash, operator) DO UPDATE SET
    decision = excluded.decision, note = excluded.note, at = excluded.at;

-- name: approval_count
SELECT COUNT(*) FROM approval
WHERE campaign_row = :campaign AND plan_hash = :plan_hash AND operator NOT IN (:maker, :author)
  AND decision = 'approved';

-- name: approval_hand_on
INSERT INTO approval (campaign_row, plan_hash, operator, decision, note, at)
SELECT :child, :child_hash, operator, decision, :note, :now FROM approval
WHERE campaign_row = :campaign AND plan_hash = :plan_hash AND operator NOT IN (:maker, :author)
  AND decision = 'approved';

-- name: approval_drop
DELETE FROM approval WHERE campaign_row = :campaign;

-- name: approval_page
SELECT plan_hash, operator, decision, note, at FROM approval
WHERE campaign_row = :campaign ORDER BY at, operator;
