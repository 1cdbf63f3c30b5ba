-- +goose Up
-- What may be reached and by which tunnelers (policy.Resource, policy.Grant). hosts, ports,
-- windows and prefixes are JSON lists of texts, labels is a JSON object; revision grows with
-- each change, as that of members. subject is tunneler/ID or label/KEY=VALUE, object is
-- resource/ID or label/KEY=VALUE; ends_at 0 is never.
CREATE TABLE resources (
    id         TEXT PRIMARY KEY,
    network_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    hosts      TEXT NOT NULL,
    ports      TEXT NOT NULL,
    alias      TEXT NOT NULL,
    labels     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision   BIGINT NOT NULL
);
CREATE INDEX resources_network ON resources (network_id, id);
CREATE INDEX resources_name ON resources (name, id);
CREATE UNIQUE INDEX resources_alias ON resources (alias) WHERE alias <> '';

CREATE TABLE grants (
    id         TEXT PRIMARY KEY,
    subject    TEXT NOT NULL,
    object     TEXT NOT NULL,
    ends_at    BIGINT NOT NULL,
    time_zone  TEXT NOT NULL,
    windows    TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision   BIGINT NOT NULL
);
CREATE INDEX grants_subject ON grants (subject, id);
CREATE INDEX grants_object ON grants (object, id);
CREATE INDEX grants_ends ON grants (ends_at, id);

-- Where names of a network may lead to; an empty list is the private addresses.
ALTER TABLE networks ADD COLUMN prefixes TEXT NOT NULL DEFAULT '[]';
