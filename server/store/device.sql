-- Devices, their certificates, attributes, tags and components.

-- name: device_by_fingerprint
SELECT d.row_id, d.tenant_row, d.id, d.state, d.model, d.hardware, d.site, d.version, d.boot_id, d.uptime,
       d.floor, d.report_seq, d.asks_attributes, d.created_at, d.updated_at, d.zone, d.channel_row,
       d.channel_until_at, d.quarantine_until_at, d.announce, d.auto_confirm_at, d.installed_action, c.state, c.not_after_at
FROM certificate AS c JOIN device AS d ON d.row_id = c.device_row
WHERE c.fingerprint = :fingerprint;

-- name: device_by_row
SELECT row_id, tenant_row, id, state, model, hardware, site, version, boot_id, uptime,
       floor, report_seq, asks_attributes, created_at, updated_at, zone, channel_row,
       channel_until_at, quarantine_until_at, announce, auto_confirm_at, installed_action
FROM device WHERE row_id = :device;

-- name: device_by_id
SELECT row_id, tenant_row, id, state, model, hardware, site, version, boot_id, uptime,
       floor, report_seq, asks_attributes, created_at, updated_at, zone, channel_row,
       channel_until_at, quarantine_until_at, announce, auto_confirm_at, installed_action
FROM device WHERE tenant_row = :tenant AND id = :id;

-- Pages of devices: walk an index and go on after `:after`. The store writes a condition of the caller's
-- in place of `:condition`.

-- name: device_page
SELECT row_id, tenant_row, id, state, model, hardware, site, version, boot_id, uptime,
       floor, report_seq, asks_attributes, created_at, updated_at, zone, channel_row,
       channel_until_at, quarantine_until_at, announce, auto_confirm_at, installed_action
FROM device WHERE tenant_row = :tenant AND id > :after ORDER BY id LIMIT :limit;

-- name: device_page_where
SELECT d.row_id, d.tenant_row, d.id, d.state, d.model, d.hardware, d.site, d.version, d.boot_id, d.uptime,
       d.floor, d.report_seq, d.asks_attributes, d.created_at, d.updated_at, d.zone, d.channel_row,
       d.channel_until_at, d.quarantine_until_at, d.announce, d.auto_confirm_at, d.installed_action
FROM device AS d WHERE d.tenant_row = :tenant AND d.id > :after AND (:condition) ORDER BY d.id LIMIT :limit;

-- name: device_insert
INSERT INTO device (tenant_row, id, state, model, hardware, site, created_at, updated_at)
VALUES (:tenant, :id, :state, :model, :hardware, :site, :now, :now);

-- name: device_labels
UPDATE device SET model = :model, hardware = :hardware, site = :site, updated_at = :now
WHERE row_id = :device;

-- name: device_state
UPDATE device SET state = :state, updated_at = :now WHERE row_id = :device;

-- name: device_evidence
UPDATE device SET version = :version, boot_id = :boot_id, uptime = :uptime, floor = :floor,
                  updated_at = :now
WHERE row_id = :device;

-- name: device_quarantine
UPDATE device SET quarantine_until_at = :until WHERE row_id = :device;

-- name: device_asks_attributes
UPDATE device SET asks_attributes = :asks WHERE row_id = :device AND asks_attributes <> :asks;

-- name: device_report
UPDATE device SET report_seq = :seq, report_hash = :hash WHERE row_id = :device;

-- name: device_report_hash
SELECT report_hash FROM device WHERE row_id = :device;

-- What is known of its client, and its secret.

-- name: device_announce
UPDATE device SET announce = :announce, updated_at = :now WHERE row_id = :device;

-- name: device_auto_confirm
UPDATE device SET auto_confirm_at = :at, auto_confirm_by = :by, auto_confirm_remark = :remark
WHERE row_id = :device;

-- name: device_auto_confirm_words
SELECT auto_confirm_by, auto_confirm_remark FROM device WHERE row_id = :device;

-- name: device_installed
UPDATE device SET installed_action = :action WHERE row_id = :device AND installed_action <> :action;

-- name: device_not_installed
UPDATE device SET installed_action = 0 WHERE row_id = :device AND installed_action = :action;

-- name: device_token
SELECT token_hash, token_at FROM device WHERE row_id = :device;

-- name: device_set_token
UPDATE device SET token_hash = :hash, token_at = :at WHERE row_id = :device;

-- Certificates.

-- name: certificate_insert
INSERT INTO certificate (fingerprint, device_row, state, issuer, serial, subject, not_before_at, not_after_at,
                         created_at)
VALUES (:fingerprint, :device, 'active', :issuer, :serial, :subject, :not_before, :not_after, :now);

-- name: certificate_page
SELECT fingerprint, state, serial, subject, not_before_at, not_after_at, created_at, revoked_at
FROM certificate WHERE device_row = :device ORDER BY created_at, fingerprint;

-- name: certificates_revoke
UPDATE certificate SET state = 'revoked', revoked_at = :now
WHERE device_row = :device AND state <> 'revoked';

-- name: certificate_refused_before
SELECT 1 FROM event
WHERE device_row = :device AND kind = 'device.collision' AND message_hash = :fingerprint LIMIT 1;

-- Attributes, tags, components.

-- name: device_attribute
SELECT value FROM device_attribute WHERE device_row = :device AND name = :name;

-- name: device_attribute_page
SELECT name, value FROM device_attribute WHERE device_row = :device ORDER BY name;

-- name: device_attribute_count
SELECT count(*) FROM device_attribute WHERE device_row = :device;

-- name: device_attribute_put
INSERT INTO device_attribute (device_row, name, value) VALUES (:device, :name, :value)
ON CONFLICT (device_row, name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value;

-- name: device_attribute_drop
DELETE FROM device_attribute WHERE device_row = :device AND name = :name;

-- name: device_attribute_clear
DELETE FROM device_attribute WHERE device_row = :device;

-- name: device_tag
SELECT 1 FROM device_tag WHERE device_row = :device AND tag = :tag;

-- name: device_tag_page
SELECT tag FROM device_tag WHERE device_row = :device ORDER BY tag;

-- name: device_tag_put
INSERT INTO device_tag (device_row, tag) VALUES (:device, :tag) ON CONFLICT (device_row, tag) DO NOTHING;

-- name: device_tag_clear
DELETE FROM device_tag WHERE device_row = :device;

-- name: device_component_page
SELECT component, version, release_counter, security_version, sha256, slot
FROM device_component WHERE device_row = :device ORDER BY component;

-- name: device_component_put
INSERT INTO device_component (device_row, component, version, release_counter, security_version, sha256, slot)
VALUES (:device, :component, :version, :release_counter, :security_version, :sha256, :slot)
ON CONFLICT (device_row, component) DO UPDATE SET
    version = excluded.version, release_counter = excluded.release_counter,
    security_version = excluded.security_version, sha256 = excluded.sha256, slot = excluded.slot;

-- name: device_component_clear
DELETE FROM device_component WHERE device_row = :device;

-- Reports over the whole fleet.

-- name: device_count_by_version
SELECT version, model, count(*) FROM device WHERE tenant_row = :tenant GROUP BY version, model;

-- One row for every version (model NULL) and one for every model (version NULL). The groups are of
-- expressions, so that the condition chooses the index: walking the one of versions to save a sort costs
-- a look at every row of the fleet, in no order of the disk.
-- name: device_count_where
WITH hit AS (SELECT d.version || '' AS version, d.model || '' AS model, count(*) AS devices
             FROM device AS d WHERE d.tenant_row = :tenant AND (:condition) GROUP BY 1, 2)
SELECT version, NULL, sum(devices) FROM hit GROUP BY version
UNION ALL
SELECT NULL, model, sum(devices) FROM hit GROUP BY model
ORDER BY 1, 2;

-- name: device_count_by_state
SELECT state, count(*) FROM device WHERE tenant_row = :tenant GROUP BY state;

-- name: device_count_pending
SELECT count(*) FROM (SELECT 1 FROM device WHERE tenant_row = :tenant AND state = 'pending' LIMIT :most) AS waiting;

-- name: device_count_seen
SELECT count(*) FROM device_seen WHERE seen_at >= :since;
