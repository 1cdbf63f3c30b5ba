-- +goose Up
-- When members were heard of last. It is written once a minute for all that were, apart
-- from what an enrollment writes: neither a list nor a follower of the change log has to
-- look because of it. Version and connector are what is reported of a tunneler.
CREATE TABLE last_seen (
    kind      TEXT NOT NULL,
    id        TEXT NOT NULL,
    at        INTEGER NOT NULL,
    version   TEXT NOT NULL,
    connector TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
INSERT INTO last_seen (kind, id, at, version, connector)
SELECT 'connector', id, last_seen_at, '', '' FROM connectors WHERE last_seen_at <> 0;
INSERT INTO last_seen (kind, id, at, version, connector)
SELECT 'tunneler', id, last_seen_at, version, connector_id FROM tunnelers WHERE last_seen_at <> 0;

DROP TRIGGER tunnelers_updated;
-- +goose StatementBegin
CREATE TRIGGER tunnelers_updated AFTER UPDATE ON tunnelers
WHEN (OLD.host_id, OLD.version, OLD.revoked_at) IS NOT (NEW.host_id, NEW.version, NEW.revoked_at)
BEGIN
    UPDATE meta SET value = value + 1 WHERE name = 'fleet_revision';
END;
-- +goose StatementEnd
ALTER TABLE connectors DROP COLUMN last_seen_at;
ALTER TABLE tunnelers DROP COLUMN last_seen_at;
ALTER TABLE tunnelers DROP COLUMN connector_id;
