-- +goose Up
-- What the rules must decide, whatever changes (policy.Test). subject is tunneler/ID or
-- label/KEY=VALUE, target is HOST:PORT, network_id is empty for any network, expect is reach or
-- refuse; revision grows with each change.
CREATE TABLE policy_tests (
    id         TEXT PRIMARY KEY,
    subject    TEXT NOT NULL,
    target     TEXT NOT NULL,
    network_id TEXT NOT NULL,
    expect     TEXT NOT NULL,
    note       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision   BIGINT NOT NULL
);
CREATE INDEX policy_tests_subject ON policy_tests (subject, id);
CREATE INDEX policy_tests_target ON policy_tests (target, id);
