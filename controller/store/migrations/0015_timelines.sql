-- +goose Up
-- The public half of the recovery key; the key itself is with its operator only.
CREATE TABLE recovery_keys (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    public_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
-- The timelines of this controller that a statement began; without one it is in timeline 1.
CREATE TABLE timelines (
    number           BIGINT PRIMARY KEY,
    statement        TEXT NOT NULL,
    old_verifier_key TEXT NOT NULL,
    old_checkpoint   TEXT NOT NULL,
    begun_at         BIGINT NOT NULL
);
