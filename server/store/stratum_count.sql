-- Outcomes per stratum.

-- name: stratum_count_add
INSERT INTO stratum_count (campaign_row, stratum, confirmed, failed)
VALUES (:campaign, :stratum, :confirmed, :failed)
ON CONFLICT (campaign_row, stratum) DO UPDATE
SET confirmed = stratum_count.confirmed + excluded.confirmed, failed = stratum_count.failed + excluded.failed;

-- name: stratum_counts
SELECT stratum, confirmed, failed, accepted FROM stratum_count WHERE campaign_row = :campaign ORDER BY stratum;

-- name: stratum_counts_accept
UPDATE stratum_count SET accepted = CASE WHEN failed < :most THEN failed ELSE :most END
WHERE campaign_row = :campaign AND accepted < failed AND accepted < :most;

-- name: stratum_counts_clamp
UPDATE stratum_count SET accepted = failed WHERE campaign_row = :campaign AND accepted > failed;
