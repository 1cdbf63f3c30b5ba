-- +goose Up
-- Networks group connectors.
CREATE TABLE networks (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
INSERT INTO networks (id, name, created_at) VALUES ('default', 'Default', 0);
ALTER TABLE connectors ADD COLUMN network_id TEXT NOT NULL DEFAULT 'default';

-- Requests of the admin API that came with an Idempotency-Key. status 0 is one
-- that has not ended; body is empty where the reply had a secret.
CREATE TABLE idempotency (
    actor       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    started_at  INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    resource    TEXT NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_started ON idempotency (started_at);

CREATE INDEX tokens_expires ON tokens (expires_at);

-- What lists show of the fleet, save for who was seen when: whoever holds rows of
-- this revision in memory need not read them again. The triggers count, so that no
-- way to change a row can forget to.
INSERT INTO meta (name, value) VALUES ('fleet_revision', 1);

-- +goose StatementBegin
CREATE TRIGGER connectors_inserted AFTER INSERT ON connectors BEGIN
    UPDATE meta SET value = value + 1 WHERE name = 'fleet_revision';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER connectors_updated AFTER UPDATE ON connectors
WHEN (OLD.host_id, OLD.version, OLD.revoked_at, OLD.private_ip, OLD.addresses, OLD.network_id)
    IS NOT (NEW.host_id, NEW.version, NEW.revoked_at, NEW.private_ip, NEW.addresses, NEW.network_id)
BEGIN
    UPDATE meta SET value = value + 1 WHERE name = 'fleet_revision';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tunnelers_inserted AFTER INSERT ON tunnelers BEGIN
    UPDATE meta SET value = value + 1 WHERE name = 'fleet_revision';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tunnelers_updated AFTER UPDATE ON tunnelers
WHEN (OLD.host_id, OLD.version, OLD.revoked_at, OLD.connector_id)
    IS NOT (NEW.host_id, NEW.version, NEW.revoked_at, NEW.connector_id)
BEGIN
    UPDATE meta SET value = value + 1 WHERE name = 'fleet_revision';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_inserted AFTER INSERT ON hosts BEGIN
    UPDATE meta SET value = value + 1 WHERE name = 'fleet_revision';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_updated AFTER UPDATE ON hosts BEGIN
    UPDATE meta SET value = value + 1 WHERE name = 'fleet_revision';
END;
-- +goose StatementEnd
