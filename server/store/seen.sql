-- When devices were last heard of. Written behind, so a row may be of a device deleted since: skipped.

-- name: seen_write
INSERT INTO device_seen (device_row, seen_at, address, client)
SELECT row_id, :seen_at, :address, :client FROM device WHERE row_id = :device_row
ON CONFLICT (device_row) DO UPDATE
SET seen_at = excluded.seen_at, address = excluded.address, client = excluded.client
WHERE excluded.seen_at >= device_seen.seen_at;

-- name: seen_find
SELECT seen_at, address, client FROM device_seen WHERE device_row = :device_row;
