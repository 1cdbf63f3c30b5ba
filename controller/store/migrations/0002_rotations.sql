-- +goose Up
CREATE TABLE rotations (
    id         TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    phase      TEXT NOT NULL,
    actor      TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    -- The rest, as JSON: nothing but a rotation itself looks for it.
    details    TEXT NOT NULL
);
CREATE INDEX rotations_started ON rotations (started_at);
-- At most one is unfinished.
CREATE UNIQUE INDEX rotations_unfinished ON rotations (ended_at) WHERE ended_at = 0;
