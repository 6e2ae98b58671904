-- The whole of otad's memory. Times are seconds since 1970 UTC in columns *_at; row_id never leaves
-- the server, `id` is what clients see. Everything belongs to a tenant from the start.

CREATE TABLE tenant (
    row_id     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO tenant (row_id, id, created_at) VALUES (1, 'DEFAULT', 0);

-- Counters that only grow; action ids of devices come from here and are never used twice.
CREATE TABLE sequence (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT;

-- ---------------------------------------------------------------- devices

CREATE TABLE device (
    row_id     INTEGER PRIMARY KEY,
    tenant_row INTEGER NOT NULL REFERENCES tenant,
    id         TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN
               ('registered', 'pending', 'active', 'suspended', 'revoked', 'retired', 'lost')),
    model      TEXT NOT NULL DEFAULT '',
    hardware   TEXT NOT NULL DEFAULT '',       -- compared with a target's hardware_ids
    site       TEXT NOT NULL DEFAULT '',
    rank_seed  INTEGER NOT NULL DEFAULT 0,     -- reserved: strata draw from it
    -- What the device last proved, by a native report or reserved attributes.
    version    TEXT NOT NULL DEFAULT '',
    boot_id    TEXT NOT NULL DEFAULT '',
    uptime     INTEGER NOT NULL DEFAULT -1,    -- seconds; -1: never told
    floor      INTEGER NOT NULL DEFAULT 0,     -- stored security floor
    report_seq INTEGER NOT NULL DEFAULT 0,     -- of the native API: the highest taken
    report_hash BLOB,                          -- of that report's body: the same again is harmless
    asks_attributes INTEGER NOT NULL DEFAULT 1 CHECK (asks_attributes IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (tenant_row, id)
) STRICT;
CREATE INDEX device_by_version ON device (tenant_row, version, model);
CREATE INDEX device_by_state ON device (tenant_row, state, id);
CREATE INDEX device_by_version_and_id ON device (tenant_row, version, id);
CREATE INDEX device_by_model ON device (tenant_row, model, id);

-- Narrow and written behind: the only table whose last seconds may be lost.
CREATE TABLE device_seen (
    device_row INTEGER PRIMARY KEY REFERENCES device ON DELETE CASCADE,
    seen_at    INTEGER NOT NULL,
    address    TEXT NOT NULL,
    client     TEXT NOT NULL
) STRICT;
CREATE INDEX device_seen_by_time ON device_seen (seen_at);

CREATE TABLE device_attribute (
    device_row INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    name       TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (device_row, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_tag (
    device_row INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    tag        TEXT NOT NULL,
    PRIMARY KEY (device_row, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_tag_by_tag ON device_tag (tag, device_row);

CREATE TABLE device_component (
    device_row       INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    component        TEXT NOT NULL,
    version          TEXT NOT NULL,
    release_counter  INTEGER NOT NULL DEFAULT 0,
    security_version INTEGER NOT NULL DEFAULT 0,
    sha256           TEXT NOT NULL DEFAULT '',
    slot             TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (device_row, component)
) STRICT, WITHOUT ROWID;

-- The device is the row of its certificate; names inside it are cross-checks.
CREATE TABLE certificate (
    fingerprint BLOB PRIMARY KEY CHECK (length(fingerprint) = 32),
    device_row  INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    state       TEXT NOT NULL CHECK (state IN ('active', 'superseded', 'revoked')),
    issuer      BLOB,
    serial      TEXT NOT NULL DEFAULT '',
    subject     TEXT NOT NULL DEFAULT '',
    not_before_at INTEGER NOT NULL DEFAULT 0,
    not_after_at  INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_by_device ON certificate (device_row);

-- ---------------------------------------------------------------- operators

CREATE TABLE operator (
    row_id     INTEGER PRIMARY KEY,
    tenant_row INTEGER NOT NULL REFERENCES tenant,
    id         TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN
               ('viewer', 'support', 'release-engineer', 'signer', 'release-manager', 'approver', 'admin')),
    state      TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_row, id)
) STRICT;

CREATE TABLE operator_certificate (
    fingerprint  BLOB PRIMARY KEY CHECK (length(fingerprint) = 32),
    operator_row INTEGER NOT NULL REFERENCES operator ON DELETE CASCADE,
    state        TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    not_after_at INTEGER NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX operator_certificate_by_operator ON operator_certificate (operator_row);

CREATE TABLE token (
    id           TEXT PRIMARY KEY,
    secret_hash  BLOB NOT NULL CHECK (length(secret_hash) = 32),
    operator_row INTEGER NOT NULL REFERENCES operator ON DELETE CASCADE,
    role         TEXT NOT NULL,
    note         TEXT NOT NULL DEFAULT '',
    created_by   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX token_by_operator ON token (operator_row);

-- ---------------------------------------------------------------- artifacts and releases

CREATE TABLE upload (
    row_id     INTEGER PRIMARY KEY,
    tenant_row INTEGER NOT NULL REFERENCES tenant,
    id         TEXT NOT NULL UNIQUE,
    file       TEXT NOT NULL,
    size       INTEGER NOT NULL CHECK (size > 0),
    sha256     BLOB NOT NULL CHECK (length(sha256) = 32),
    encoding   TEXT NOT NULL CHECK (encoding IN ('identity', 'aes128gcm')),
    state      TEXT NOT NULL CHECK (state IN ('open', 'finished', 'failed')),
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX upload_by_state ON upload (state, updated_at);

CREATE TABLE artifact (
    row_id       INTEGER PRIMARY KEY,
    sha256       BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    sha512       BLOB NOT NULL CHECK (length(sha512) = 64),
    sha1         BLOB NOT NULL CHECK (length(sha1) = 20),
    md5          BLOB NOT NULL CHECK (length(md5) = 16),
    size         INTEGER NOT NULL CHECK (size > 0),
    encoding     TEXT NOT NULL CHECK (encoding IN ('identity', 'aes128gcm')),
    enc_header   BLOB,              -- RFC 8188: salt, rs, idlen, keyid
    chunk_offset INTEGER NOT NULL,
    chunk_size   INTEGER NOT NULL,
    chunk_count  INTEGER NOT NULL,
    chunks_sha256 BLOB,             -- the chunk list, itself an artifact; NULL for a chunk list
    state        TEXT NOT NULL CHECK (state IN ('whole', 'broken')),
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE product (
    row_id     INTEGER PRIMARY KEY,
    tenant_row INTEGER NOT NULL REFERENCES tenant,
    id         TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_row, id)
) STRICT;

-- Exact bytes of every role file ever published; trust is rebuilt from the oldest root at each start.
CREATE TABLE metadata (
    row_id       INTEGER PRIMARY KEY,
    tenant_row   INTEGER NOT NULL REFERENCES tenant,
    role         TEXT NOT NULL,     -- root, targets, product-<p>
    version      INTEGER NOT NULL CHECK (version > 0),
    bytes        BLOB NOT NULL,
    sha256       BLOB NOT NULL CHECK (length(sha256) = 32),
    expires_at   INTEGER NOT NULL,
    published_by TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    UNIQUE (tenant_row, role, version)
) STRICT;

CREATE TABLE draft (
    row_id     INTEGER PRIMARY KEY,
    tenant_row INTEGER NOT NULL REFERENCES tenant,
    id         TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    payload    BLOB NOT NULL,       -- canonical bytes of `signed`: what is signed
    state      TEXT NOT NULL CHECK (state IN ('open', 'published', 'dropped')),
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX draft_by_state ON draft (tenant_row, state, id);

CREATE TABLE draft_signature (
    draft_row INTEGER NOT NULL REFERENCES draft ON DELETE CASCADE,
    keyid     TEXT NOT NULL,
    signature TEXT NOT NULL,
    added_by  TEXT NOT NULL,
    added_at  INTEGER NOT NULL,
    PRIMARY KEY (draft_row, keyid)
) STRICT, WITHOUT ROWID;

CREATE TABLE release (
    row_id           INTEGER PRIMARY KEY,
    tenant_row       INTEGER NOT NULL REFERENCES tenant,
    product_row      INTEGER NOT NULL REFERENCES product,
    id               TEXT NOT NULL, -- <product>:<version>
    version          TEXT NOT NULL,
    security_version INTEGER NOT NULL,
    security_floor   INTEGER NOT NULL,
    release_counter  INTEGER NOT NULL,
    severity         TEXT NOT NULL DEFAULT 'feature' CHECK (severity IN ('security', 'bugfix', 'feature')),
    state            TEXT NOT NULL CHECK (state IN ('published', 'withdrawn', 'quarantined')),
    metadata_version INTEGER NOT NULL,
    published_at     INTEGER NOT NULL,
    UNIQUE (tenant_row, id)
) STRICT;
CREATE INDEX release_by_product ON release (product_row, release_counter);

CREATE TABLE target (
    row_id           INTEGER PRIMARY KEY,  -- also DDI's software module id
    release_row      INTEGER NOT NULL REFERENCES release,
    path             TEXT NOT NULL,        -- <product>/<version>/<file>
    file             TEXT NOT NULL,
    component        TEXT NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('image', 'chunks', 'suit')),
    version          TEXT NOT NULL,
    security_version INTEGER NOT NULL,
    security_floor   INTEGER NOT NULL,
    release_counter  INTEGER NOT NULL,
    hardware_ids     TEXT NOT NULL,        -- JSON array, as signed
    custom           TEXT NOT NULL,        -- JSON object custom.ota, as signed
    artifact_row     INTEGER NOT NULL REFERENCES artifact,
    UNIQUE (release_row, path)
) STRICT;
CREATE INDEX target_by_path ON target (path);
CREATE INDEX target_by_artifact ON target (artifact_row);

CREATE TABLE channel (
    row_id       INTEGER PRIMARY KEY,
    tenant_row   INTEGER NOT NULL REFERENCES tenant,
    id           TEXT NOT NULL,
    baseline_row INTEGER REFERENCES release,
    created_at   INTEGER NOT NULL,
    UNIQUE (tenant_row, id)
) STRICT;

-- ---------------------------------------------------------------- campaigns

CREATE TABLE campaign (
    row_id      INTEGER PRIMARY KEY,
    tenant_row  INTEGER NOT NULL REFERENCES tenant,
    id          TEXT NOT NULL,             -- c-<number>
    name        TEXT NOT NULL,
    release_row INTEGER NOT NULL REFERENCES release,
    channel_row INTEGER REFERENCES channel,
    target      TEXT NOT NULL,             -- the filter's text
    salt        BLOB NOT NULL CHECK (length(salt) = 16),
    priority    INTEGER NOT NULL DEFAULT 0,
    install     TEXT NOT NULL DEFAULT 'forced' CHECK (install IN ('forced', 'optional', 'prestage')),
    state       TEXT NOT NULL CHECK (state IN
                ('draft', 'review', 'scheduled', 'running', 'paused', 'finishing', 'finished',
                 'aborted', 'cancelled', 'superseded', 'expired')),
    state_reason TEXT NOT NULL DEFAULT '',
    pause_share  REAL NOT NULL, pause_failures INTEGER NOT NULL, pause_sample INTEGER NOT NULL,
    abort_share  REAL NOT NULL, abort_failures INTEGER NOT NULL, abort_sample INTEGER NOT NULL,
    accepted_failures INTEGER NOT NULL DEFAULT 0, -- an operator resumed and took these on
    attempts_max   INTEGER NOT NULL,
    stale_after    INTEGER NOT NULL, confirm_after INTEGER NOT NULL,
    verify_timeout INTEGER NOT NULL, offer_ttl     INTEGER NOT NULL,
    rate           INTEGER NOT NULL DEFAULT 0,    -- bytes per second of one transfer; 0: the server's
    stops_transfers INTEGER NOT NULL DEFAULT 0 CHECK (stops_transfers IN (0, 1)), -- aborted, hard cancelled
    bytes_served INTEGER NOT NULL DEFAULT 0,      -- to all its devices, all attempts
    change      INTEGER NOT NULL DEFAULT 1,       -- ETag: moves with every change
    created_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER, state_at INTEGER NOT NULL,
    UNIQUE (tenant_row, id)
) STRICT;
CREATE INDEX campaign_by_state ON campaign (state);

CREATE TABLE wave (
    row_id       INTEGER PRIMARY KEY,
    campaign_row INTEGER NOT NULL REFERENCES campaign,
    position     INTEGER NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('percent', 'count')),
    amount       REAL NOT NULL,
    -- Members are the devices that match the filter with rank <= rank_limit (63 bits of a hash) and
    -- were not in an earlier wave; -1 until a count wave is opened and its limit found.
    rank_limit   INTEGER NOT NULL DEFAULT -1,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'open', 'soaking', 'held', 'passed', 'skipped')),
    state_reason TEXT NOT NULL DEFAULT '',
    min_confirmed INTEGER NOT NULL,        -- 0: min(active, 5)
    coverage     REAL NOT NULL,
    soak         INTEGER NOT NULL,
    gate         TEXT NOT NULL CHECK (gate IN ('auto', 'manual')),
    members      INTEGER NOT NULL DEFAULT 0, -- counted when it opened and again before it may pass
    active       INTEGER NOT NULL DEFAULT 0,
    counted_at   INTEGER,
    counted_resolved INTEGER NOT NULL DEFAULT 0, -- resolved when it was counted: new ones ask for a recount
    opened_at    INTEGER, covered_at INTEGER, state_at INTEGER NOT NULL,
    UNIQUE (campaign_row, position)
) STRICT;

-- One row per device and campaign, made when first offered. A retry is a new attempt with a new
-- action id (what DDI clients see), the row stays.
CREATE TABLE deployment (
    row_id       INTEGER PRIMARY KEY,
    action       INTEGER NOT NULL UNIQUE CHECK (action BETWEEN 11 AND 2147483647),
    device_row   INTEGER NOT NULL REFERENCES device,
    campaign_row INTEGER NOT NULL REFERENCES campaign,
    wave         INTEGER NOT NULL,         -- position
    release_row  INTEGER NOT NULL REFERENCES release,
    state        TEXT NOT NULL CHECK (state IN
                 ('offered', 'withdrawn', 'downloading', 'downloaded', 'waiting', 'installing',
                  'verifying', 'confirmed', 'failed', 'reverted', 'lost', 'timed_out', 'rejected',
                  'superseded', 'cancelled', 'not_applicable', 'already', 'removed')),
    is_open      INTEGER NOT NULL CHECK (is_open IN (0, 1)),    -- an action the device can act on
    is_cancelling INTEGER NOT NULL DEFAULT 0 CHECK (is_cancelling IN (0, 1)),
    is_unproven  INTEGER NOT NULL DEFAULT 0 CHECK (is_unproven IN (0, 1)),
    attempt      INTEGER NOT NULL DEFAULT 1,
    failures     INTEGER NOT NULL DEFAULT 0, -- attempts that failed; withdrawn ones are not among them
    counted_as   TEXT NOT NULL,              -- the row of deployment_count it is in
    class        TEXT NOT NULL DEFAULT '', -- of a failure: network, storage, install, hash, …
    detail       TEXT NOT NULL DEFAULT '', -- the device's own words, cut
    retry_at     INTEGER,
    -- The state of the device when it was offered, to compare evidence with.
    version_before TEXT NOT NULL DEFAULT '',
    boot_id_before TEXT NOT NULL DEFAULT '',
    bytes_served INTEGER NOT NULL DEFAULT 0,
    polls_since  INTEGER NOT NULL DEFAULT 0, -- polls since the new version was claimed or seen
    boots_since  INTEGER NOT NULL DEFAULT 0, -- new boot ids within boots_from + 10 min
    boots_from   INTEGER NOT NULL DEFAULT 0,
    final_hash   BLOB,                       -- of the final report: the same again is answered alike
    offered_at   INTEGER NOT NULL,
    state_at     INTEGER NOT NULL,
    UNIQUE (device_row, campaign_row)
) STRICT;
CREATE INDEX deployment_by_device ON deployment (device_row, is_open);
CREATE INDEX deployment_by_campaign ON deployment (campaign_row, state, state_at);
CREATE INDEX deployment_open_by_time ON deployment (state_at) WHERE is_open = 1;

-- Devices per state, kept in the transaction that moves a deployment: gates read these. Beside the
-- states there is 'retrying': failed, to be tried again, and not counted as a failure until then.
CREATE TABLE deployment_count (
    campaign_row INTEGER NOT NULL REFERENCES campaign,
    wave         INTEGER NOT NULL,
    state        TEXT NOT NULL,
    count        INTEGER NOT NULL,
    PRIMARY KEY (campaign_row, wave, state)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- events and audit

-- Every change of state, in the transaction that makes it: timelines, streams and webhooks read this.
CREATE TABLE event (
    row_id         INTEGER PRIMARY KEY,
    tenant_row     INTEGER NOT NULL REFERENCES tenant,
    at             INTEGER NOT NULL,
    kind           TEXT NOT NULL,          -- device.state, device.version, deployment.state, report, …
    device_row     INTEGER REFERENCES device,
    campaign_row   INTEGER REFERENCES campaign,
    deployment_row INTEGER REFERENCES deployment,
    attempt        INTEGER,
    message_hash   BLOB,                   -- of a device's message: the same again is no new event
    from_state     TEXT NOT NULL DEFAULT '',
    to_state       TEXT NOT NULL DEFAULT '',
    cause          TEXT NOT NULL DEFAULT '', -- poll, report, timer, operator, server
    detail         TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX event_by_device ON event (device_row, row_id) WHERE device_row IS NOT NULL;
CREATE INDEX event_by_campaign ON event (campaign_row, row_id) WHERE campaign_row IS NOT NULL;
CREATE INDEX event_by_deployment ON event (deployment_row, row_id) WHERE deployment_row IS NOT NULL;
CREATE INDEX event_by_message ON event (deployment_row, attempt, message_hash)
    WHERE message_hash IS NOT NULL;

CREATE TABLE audit (
    sequence   INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,              -- operator, token, device, server, host
    actor      TEXT NOT NULL,
    source     TEXT NOT NULL,              -- address
    request    TEXT NOT NULL,
    action     TEXT NOT NULL,
    object     TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    detail     TEXT NOT NULL,
    previous   BLOB NOT NULL CHECK (length(previous) = 32),
    hash       BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
