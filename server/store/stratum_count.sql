-- Outcomes per stratum.

-- name: stratum_count_add
INSERT INTO stratum_count (campaign_row, stratum, confirmed, failed)
VALUES (:campaign, :stratum, :confirmed, :failed)
ON CONFLICT (campaign_row, stratum) DO UPDATE
SET confirmed = stratum_count.confirmed + excluded.confirmed, failed = stratum_count.failed + excluded.failed;

-- name: stratum_counts
SELECT stratum, confirmed, failed FROM stratum_count WHERE campaign_row = :campaign ORDER BY stratum;
