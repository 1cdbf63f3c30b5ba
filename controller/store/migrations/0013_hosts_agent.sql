-- +goose Up
-- The agents that SPIRE lists are looked for among the hosts, a page at a time.
CREATE INDEX hosts_agent ON hosts (agent_id);
