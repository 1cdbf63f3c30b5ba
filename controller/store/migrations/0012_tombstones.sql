-- +goose Up
-- What is never forgotten of a revoked host (fleet.Tombstone), whatever else of it is
-- pruned: its agent is banned wherever it is seen. until is the end of its certificate; 0
-- is no end.
CREATE TABLE tombstones (
    host_id  TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL,
    until    BIGINT NOT NULL
);
INSERT INTO tombstones (host_id, agent_id, until) SELECT id, agent_id, 0 FROM hosts WHERE revoked_at <> 0;
