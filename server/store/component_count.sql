-- What runs where, component by component.

-- name: component_counts
SELECT c.component, c.version, count(*)
FROM deployment AS d JOIN device_component AS c ON c.device_row = d.device_row
WHERE d.campaign_row = :campaign
GROUP BY c.component, c.version ORDER BY c.component, c.version;
