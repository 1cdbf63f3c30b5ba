-- +goose Up
-- The state of the target before and after a change, as JSON; '' where there is none.
ALTER TABLE audit ADD COLUMN before TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN after TEXT NOT NULL DEFAULT '';
-- Place in the Merkle log. NULL until the sequencer has given it one.
ALTER TABLE audit ADD COLUMN idx INTEGER;
-- Version of the encoding of its leaf.
ALTER TABLE audit ADD COLUMN leaf_version INTEGER NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX audit_idx ON audit (idx);
CREATE INDEX audit_pending ON audit (seq) WHERE idx IS NULL;
CREATE INDEX audit_time ON audit (time);
CREATE INDEX audit_target ON audit (target, action);

-- The hashes of the log, numbered as golang.org/x/mod/sumdb/tlog numbers them.
CREATE TABLE audit_hashes (
    position INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL
);

-- Signed checkpoints, one a batch.
CREATE TABLE audit_checkpoints (
    size INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    note TEXT NOT NULL
);

-- One row: who sequences. A batch commits only under the epoch it began with.
CREATE TABLE audit_sequencer (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    epoch       INTEGER NOT NULL,
    holder      TEXT NOT NULL,
    lease_until INTEGER NOT NULL
);
INSERT INTO audit_sequencer (id, epoch, holder, lease_until) VALUES (1, 0, '', 0);

-- How far each exporter has delivered: the index of the next event.
CREATE TABLE audit_sinks (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL
);

-- What each connector said last about the log it witnesses.
CREATE TABLE audit_witnesses (
    connector TEXT PRIMARY KEY,
    size      INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    failure   TEXT NOT NULL
);
