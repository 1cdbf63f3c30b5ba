-- +goose Up
-- Lists of tokens, API keys and people are read in pages, each from the place where the one
-- before it ended.
DROP INDEX tokens_created;
DROP INDEX tokens_expires;
CREATE INDEX tokens_created ON tokens (created_at, id);
CREATE INDEX tokens_expires ON tokens (expires_at, id);
CREATE INDEX tokens_workload ON tokens (workload, id);
CREATE INDEX api_keys_created ON api_keys (created_at, id);
CREATE INDEX people_created ON people (created_at, id);
