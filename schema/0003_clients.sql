-- What clients that nobody here wrote need: ways to be known without a certificate, the words they
-- report in, and what is known of their manners.

-- Bearer secrets are drawn at random, so their SHA-256 cannot be searched for; they are kept as that alone.
ALTER TABLE tenant ADD COLUMN target_tokens INTEGER NOT NULL DEFAULT 0 CHECK (target_tokens IN (0, 1));
ALTER TABLE tenant ADD COLUMN gateway_token_hash BLOB CHECK (length(gateway_token_hash) = 32); -- NULL: none is taken
ALTER TABLE tenant ADD COLUMN gateway_token_at INTEGER;

ALTER TABLE device ADD COLUMN token_hash BLOB CHECK (length(token_hash) = 32); -- NULL: it has none
ALTER TABLE device ADD COLUMN token_at INTEGER;
-- Whether it understands an offer that may be fetched but not installed yet; NULL: as its client is known to.
ALTER TABLE device ADD COLUMN announce INTEGER CHECK (announce IN (0, 1));
ALTER TABLE device ADD COLUMN auto_confirm_at INTEGER;      -- NULL: each deployment that asks for consent waits for it
ALTER TABLE device ADD COLUMN auto_confirm_by TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN auto_confirm_remark TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN installed_action INTEGER NOT NULL DEFAULT 0; -- of the deployment that brought what it runs; 0: none

-- Whole images sent again within one attempt, and until when a device that does nothing else waits.
ALTER TABLE deployment ADD COLUMN fetches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deployment ADD COLUMN held_until_at INTEGER;
-- The device must agree before it may fetch: its campaign said so when it was offered.
ALTER TABLE deployment ADD COLUMN asks_consent INTEGER NOT NULL DEFAULT 0 CHECK (asks_consent IN (0, 1));

-- What a device said, as it said it: a JSON object. NULL: the event is no device's word, or an old one.
ALTER TABLE event ADD COLUMN told TEXT;
