-- What an operator decided about a campaign is one canonical JSON text, the plan; its hash is what
-- approvals are bound to. Columns keep what changes while the campaign runs, and what lists sort by.

ALTER TABLE campaign ADD COLUMN kind TEXT NOT NULL DEFAULT 'update'
    CHECK (kind IN ('update', 'rollback', 'baseline', 'pin'));
ALTER TABLE campaign ADD COLUMN plan TEXT NOT NULL DEFAULT '{}';
ALTER TABLE campaign ADD COLUMN plan_hash BLOB NOT NULL 
    DEFAULT X'0000000000000000000000000000000000000000000000000000000000000000' CHECK (length(plan_hash) = 32);
ALTER TABLE campaign ADD COLUMN planned_by TEXT NOT NULL DEFAULT ''; -- who wrote the plan as it stands
UPDATE campaign SET planned_by = created_by;
ALTER TABLE campaign ADD COLUMN parent_row INTEGER REFERENCES campaign; -- of a rollback, of a promotion
ALTER TABLE campaign ADD COLUMN covered_at INTEGER;    -- the last wave passed: the watch begins
ALTER TABLE campaign ADD COLUMN progress_at INTEGER;   -- the last outcome, or what takes its place for the dead-man rule
ALTER TABLE campaign ADD COLUMN promoted_at INTEGER;   -- its release went on to the next channel, or needed not
ALTER TABLE campaign ADD COLUMN paused_for TEXT NOT NULL DEFAULT ''; -- why: operator, budget, telemetry, freeze, release, guard

UPDATE campaign SET plan = json_object(
    'release', (SELECT id FROM release WHERE row_id = campaign.release_row), 'target', target,
    'priority', priority, 'attempts', attempts_max, 'stale_after', stale_after,
    'confirm_after', confirm_after, 'verify_timeout', verify_timeout, 'offer_ttl', offer_ttl,
    'caps', json_object('transfer_rate', rate), 'rate', json_object('start', 0), 'watch', 0,
    'pause', json_object('share', pause_share, 'failures', pause_failures, 'sample', pause_sample),
    'abort', json_object('share', abort_share, 'failures', abort_failures, 'sample', abort_sample),
    'waves', (SELECT json_group_array(json_object(
                     kind, CASE kind WHEN 'count' THEN CAST(amount AS INTEGER) ELSE amount END, 'coverage', coverage,
                     'min_confirmed', min_confirmed, 'soak', soak, 'gate', gate))
              FROM (SELECT * FROM wave WHERE campaign_row = campaign.row_id ORDER BY position)));
UPDATE campaign SET covered_at = state_at WHERE state = 'finishing';
-- Of channels' campaigns only, from their last wave on until promoted_at is set.
CREATE INDEX campaign_by_promotion ON campaign (channel_row, covered_at)
    WHERE promoted_at IS NULL AND covered_at IS NOT NULL AND channel_row IS NOT NULL;

ALTER TABLE campaign DROP COLUMN target;
ALTER TABLE campaign DROP COLUMN install;
ALTER TABLE campaign DROP COLUMN pause_share;
ALTER TABLE campaign DROP COLUMN pause_failures;
ALTER TABLE campaign DROP COLUMN pause_sample;
ALTER TABLE campaign DROP COLUMN abort_share;
ALTER TABLE campaign DROP COLUMN abort_failures;
ALTER TABLE campaign DROP COLUMN abort_sample;
ALTER TABLE campaign DROP COLUMN attempts_max;
ALTER TABLE campaign DROP COLUMN stale_after;
ALTER TABLE campaign DROP COLUMN confirm_after;
ALTER TABLE campaign DROP COLUMN verify_timeout;
ALTER TABLE campaign DROP COLUMN offer_ttl;
ALTER TABLE campaign DROP COLUMN rate;

ALTER TABLE wave DROP COLUMN kind;
ALTER TABLE wave DROP COLUMN amount;
ALTER TABLE wave DROP COLUMN min_confirmed;
ALTER TABLE wave DROP COLUMN coverage;
ALTER TABLE wave DROP COLUMN soak;
ALTER TABLE wave DROP COLUMN gate;
-- A count wave drawn in strata has a limit for each: JSON object, stratum to rank.
ALTER TABLE wave ADD COLUMN strata_limits TEXT NOT NULL DEFAULT '';
-- An operator has passed its manual gate ahead of, or at, the time.
ALTER TABLE wave ADD COLUMN is_approved INTEGER NOT NULL DEFAULT 0 CHECK (is_approved IN (0, 1));
ALTER TABLE wave ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;  -- of its failures, those operators took on
ALTER TABLE wave ADD COLUMN held_for TEXT NOT NULL DEFAULT ''
    CHECK (held_for IN ('', 'operator', 'budget', 'short', 'approval'));
UPDATE wave SET held_for = CASE WHEN state_reason LIKE 'short: %' THEN 'short'
                                WHEN state_reason = 'approval' THEN 'approval'
                                WHEN state_reason LIKE 'failure budget%' THEN 'budget' ELSE 'operator' END
WHERE state = 'held';

ALTER TABLE deployment ADD COLUMN rate INTEGER NOT NULL DEFAULT 0; -- bytes per second reserved for it; 0: the server's
ALTER TABLE deployment ADD COLUMN stratum TEXT NOT NULL DEFAULT ''; -- at its first offer
ALTER TABLE deployment ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0; -- we cut or withdrew it: never blamed
ALTER TABLE deployment ADD COLUMN consent_at INTEGER;     -- the person at the device agreed
ALTER TABLE deployment ADD COLUMN consent_by TEXT NOT NULL DEFAULT '';
ALTER TABLE deployment ADD COLUMN force_at INTEGER;       -- an optional installation becomes due

-- Outcomes per stratum, for budgets of their own.
CREATE TABLE stratum_count (
    campaign_row INTEGER NOT NULL REFERENCES campaign,
    stratum      TEXT NOT NULL,
    confirmed    INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    accepted     INTEGER NOT NULL DEFAULT 0, -- of the failures, those operators took on
    PRIMARY KEY (campaign_row, stratum)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- what else decides

-- A release that older devices must pass through, or that cannot be left; said by operators.
ALTER TABLE release ADD COLUMN is_floor INTEGER NOT NULL DEFAULT 0 CHECK (is_floor IN (0, 1));
ALTER TABLE release ADD COLUMN dead_end TEXT NOT NULL DEFAULT '';

CREATE TABLE site (
    row_id     INTEGER PRIMARY KEY,
    tenant_row INTEGER NOT NULL REFERENCES tenant,
    id         TEXT NOT NULL,              -- what devices have in their column site
    zone       TEXT NOT NULL DEFAULT '',   -- IANA name
    leases     INTEGER NOT NULL DEFAULT 0, -- transfers at once; 0: as configured
    bytes      INTEGER NOT NULL DEFAULT 0, -- bytes per second of all of them; 0: as configured
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_row, id)
) STRICT;

ALTER TABLE device ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN channel_row INTEGER REFERENCES channel; -- by hand; rules apply without
ALTER TABLE device ADD COLUMN channel_until_at INTEGER;               -- the membership's end
ALTER TABLE device ADD COLUMN quarantine_until_at INTEGER;            -- no offers before
CREATE INDEX device_by_channel ON device (channel_row) WHERE channel_row IS NOT NULL;
CREATE INDEX device_by_channel_end ON device (channel_until_at) WHERE channel_until_at IS NOT NULL;

-- Chained: what proved itself in one is promoted to the next.
ALTER TABLE channel ADD COLUMN position INTEGER NOT NULL DEFAULT 0; -- the first whose rule matches has the device
ALTER TABLE channel ADD COLUMN rule TEXT NOT NULL DEFAULT '';       -- a filter; '': only by hand
ALTER TABLE channel ADD COLUMN next_row INTEGER REFERENCES channel;
ALTER TABLE channel ADD COLUMN promotion TEXT NOT NULL DEFAULT '';  -- JSON: the terms, and the next one's campaign
ALTER TABLE channel DROP COLUMN baseline_row;

-- What a device of a channel has when no campaign wants otherwise: kept by a standing campaign.
CREATE TABLE channel_baseline (
    channel_row  INTEGER NOT NULL REFERENCES channel ON DELETE CASCADE,
    product_row  INTEGER NOT NULL REFERENCES product,
    release_row  INTEGER NOT NULL REFERENCES release,
    campaign_row INTEGER NOT NULL REFERENCES campaign,
    set_by       TEXT NOT NULL,
    set_at       INTEGER NOT NULL,
    PRIMARY KEY (channel_row, product_row)
) STRICT, WITHOUT ROWID;

CREATE TABLE pin (
    device_row   INTEGER PRIMARY KEY REFERENCES device ON DELETE CASCADE,
    release_row  INTEGER REFERENCES release,  -- NULL: hold
    campaign_row INTEGER REFERENCES campaign, -- the standing one that delivers it
    reason       TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER
) STRICT;
CREATE INDEX pin_by_campaign ON pin (campaign_row) WHERE campaign_row IS NOT NULL;
CREATE INDEX pin_by_end ON pin (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE freeze (
    row_id      INTEGER PRIMARY KEY,
    tenant_row  INTEGER NOT NULL REFERENCES tenant,
    id          TEXT NOT NULL UNIQUE,       -- f-<number>
    reason      TEXT NOT NULL,
    target      TEXT NOT NULL DEFAULT '',   -- a filter; '': all devices
    from_at     INTEGER NOT NULL,
    until_at    INTEGER NOT NULL CHECK (until_at > from_at),
    created_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX freeze_by_end ON freeze (tenant_row, until_at);

-- The emergency stop: while the row is there nobody is offered or sent anything.
CREATE TABLE halt (
    tenant_row INTEGER PRIMARY KEY REFERENCES tenant,
    reason     TEXT NOT NULL,
    halted_by  TEXT NOT NULL,
    halted_at  INTEGER NOT NULL
) STRICT;
-- When the last one was lifted: devices may tell of being cut off for a while after.
ALTER TABLE tenant ADD COLUMN resumed_at INTEGER NOT NULL DEFAULT 0;

CREATE TABLE approval (
    campaign_row INTEGER NOT NULL REFERENCES campaign,
    plan_hash    BLOB NOT NULL CHECK (length(plan_hash) = 32),
    operator     TEXT NOT NULL,
    decision     TEXT NOT NULL CHECK (decision IN ('approved', 'refused')),
    note         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (campaign_row, plan_hash, operator)
) STRICT, WITHOUT ROWID;

-- Devices named one by one, for explicit waves; never changed once made.
CREATE TABLE device_list (
    row_id     INTEGER PRIMARY KEY,
    tenant_row INTEGER NOT NULL REFERENCES tenant,
    id         TEXT NOT NULL UNIQUE,        -- l-<number>
    name       TEXT NOT NULL,
    sha256     BLOB NOT NULL CHECK (length(sha256) = 32), -- of the sorted ids, a line each
    count      INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE device_list_member (
    list_row   INTEGER NOT NULL REFERENCES device_list ON DELETE CASCADE,
    device_row INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    PRIMARY KEY (list_row, device_row)
) STRICT, WITHOUT ROWID;

-- Answers kept for a while, so that a write sent twice under one Idempotency-Key is done once.
CREATE TABLE idempotency (
    tenant_row   INTEGER NOT NULL REFERENCES tenant,
    operator     TEXT NOT NULL,
    key          TEXT NOT NULL,
    request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
    status       INTEGER NOT NULL,
    body         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_row, operator, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (created_at);
