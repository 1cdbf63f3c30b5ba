-- +goose Up
-- What operators say of members, hosts and networks (fleet.About). labels is a JSON object;
-- revision grows with each change, so that of two who edit at once the second is told.
ALTER TABLE connectors ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE connectors ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE connectors ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE connectors ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE tunnelers ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE tunnelers ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tunnelers ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE tunnelers ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE hosts ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE hosts ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE hosts ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE hosts ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE networks ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;

-- Whether a network is empty is asked of its connectors.
CREATE INDEX connectors_network ON connectors (network_id, id) WHERE revoked_at = 0;
CREATE INDEX connectors_network_gone ON connectors (network_id) WHERE revoked_at <> 0;
