-- +goose Up
CREATE TABLE people (
    id              TEXT PRIMARY KEY,
    email           TEXT NOT NULL,
    name            TEXT NOT NULL,
    role            TEXT NOT NULL,
    password_hash   TEXT NOT NULL,
    issuer          TEXT NOT NULL,
    subject         TEXT NOT NULL,
    totp_seed       BLOB NOT NULL, -- sealed
    totp_pending    BLOB NOT NULL, -- sealed
    totp_step       INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    last_sign_in_at INTEGER NOT NULL,
    disabled_at     INTEGER NOT NULL
);
-- A local person is known by the address, a federated one by the provider's subject.
CREATE UNIQUE INDEX people_email ON people (email) WHERE subject = '';
CREATE UNIQUE INDEX people_subject ON people (issuer, subject) WHERE subject != '';

CREATE TABLE recovery_codes (
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    hash      BLOB NOT NULL,
    PRIMARY KEY (person_id, hash)
);

CREATE TABLE sessions (
    id            TEXT PRIMARY KEY,
    hash          BLOB NOT NULL UNIQUE,
    person_id     TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    method        TEXT NOT NULL,
    source        TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    step_up_until INTEGER NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id);

-- person_id is NULL for the link that makes the first owner.
CREATE TABLE setup_links (
    hash       BLOB PRIMARY KEY,
    person_id  TEXT REFERENCES people (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE sign_in_failures (
    key          BLOB PRIMARY KEY,
    count        INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
);

CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    seed       BLOB NOT NULL, -- sealed
    created_at INTEGER NOT NULL
);

ALTER TABLE api_keys ADD COLUMN created_by   TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN revoked_at   INTEGER NOT NULL DEFAULT 0;
-- The key of the first start is for the first day.
UPDATE api_keys SET expires_at = created_at + 86400000000 WHERE id = 'bootstrap' AND expires_at = 0;
