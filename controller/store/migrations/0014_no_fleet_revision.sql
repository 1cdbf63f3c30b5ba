-- +goose Up
-- Lists follow the change log now.
DROP TRIGGER connectors_inserted;
DROP TRIGGER connectors_updated;
DROP TRIGGER tunnelers_inserted;
DROP TRIGGER tunnelers_updated;
DROP TRIGGER hosts_inserted;
DROP TRIGGER hosts_updated;
DELETE FROM meta WHERE name = 'fleet_revision';
