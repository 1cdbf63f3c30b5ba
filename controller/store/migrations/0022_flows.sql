-- +goose Up
-- What connectors reported of flows that are over (flows.Record), in the order of arrival, and
-- never changed. ended is the end of a flow by its connector's clock; up and down are bytes;
-- count is how many refused opens a row stands for. Without foreign keys: a record outlives
-- what it names.
CREATE TABLE flows (
    seq           INTEGER PRIMARY KEY,
    recorded_at   BIGINT NOT NULL,
    opened_at     BIGINT NOT NULL,
    ended_at      BIGINT NOT NULL,
    tunneler      TEXT NOT NULL,
    connector     TEXT NOT NULL,
    network       TEXT NOT NULL,
    resource      TEXT NOT NULL,
    resource_name TEXT NOT NULL,
    grant_id      TEXT NOT NULL,
    target        TEXT NOT NULL,
    address       TEXT NOT NULL,
    connected     BIGINT NOT NULL,
    code          TEXT NOT NULL,
    decision      TEXT NOT NULL,
    up            BIGINT NOT NULL,
    down          BIGINT NOT NULL,
    count         BIGINT NOT NULL
);
CREATE INDEX flows_ended ON flows (ended_at, seq);
CREATE INDEX flows_tunneler ON flows (tunneler, ended_at, seq);
CREATE INDEX flows_resource ON flows (resource, ended_at, seq) WHERE resource <> '';
CREATE INDEX flows_target ON flows (target, ended_at, seq);

-- How far the records of one run of a connector are in flows, and how many it said it did not
-- keep. A record of a number up to position came before.
CREATE TABLE flow_positions (
    connector TEXT NOT NULL,
    run       TEXT NOT NULL,
    position  BIGINT NOT NULL,
    lost      BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (connector, run)
);
CREATE INDEX flow_positions_at ON flow_positions (at);
INSERT INTO meta (name, value) VALUES ('flows', 0);
