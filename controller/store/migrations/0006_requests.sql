-- +goose Up
ALTER TABLE tokens ADD COLUMN delivery TEXT NOT NULL DEFAULT 'plain';
ALTER TABLE tokens ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN opened_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN opened_from TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN reopened_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN reopened_from TEXT NOT NULL DEFAULT '';

-- The tokens of claim links, sealed under a code that is not here.
CREATE TABLE claims (
    hash     BLOB PRIMARY KEY,
    token_id TEXT NOT NULL UNIQUE REFERENCES tokens (id),
    sealed   BLOB NOT NULL
);

-- Hosts that ask to be let in without a token.
CREATE TABLE requests (
    id          TEXT PRIMARY KEY,
    code        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    workload    TEXT NOT NULL,
    facts       TEXT NOT NULL,
    ephemeral   INTEGER NOT NULL,
    csr         BLOB NOT NULL,
    host_cert   BLOB NOT NULL,
    key_hash    BLOB NOT NULL,
    fingerprint TEXT NOT NULL,
    mismatches  INTEGER NOT NULL,
    source      TEXT NOT NULL,
    net         TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    decision    TEXT NOT NULL,
    decided_at  INTEGER NOT NULL,
    decided_by  TEXT NOT NULL,
    token_id    TEXT NOT NULL
);
-- A code names one request among those that are to be decided.
CREATE UNIQUE INDEX requests_code ON requests (code) WHERE decision = '';
CREATE INDEX requests_key ON requests (key_hash, created_at);
CREATE INDEX requests_pending ON requests (expires_at) WHERE decision = '';
CREATE INDEX requests_created ON requests (created_at);
