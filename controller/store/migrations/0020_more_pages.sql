-- +goose Up
-- Lists of enrollment requests, sessions and signed-in command lines are read in pages, too,
-- each from the place where the one before it ended.
DROP INDEX requests_created;
DROP INDEX sessions_person;
CREATE INDEX requests_created ON requests (created_at, id);
CREATE INDEX requests_expires ON requests (expires_at, id);
CREATE INDEX requests_workload ON requests (workload, id);
CREATE INDEX sessions_created ON sessions (created_at, id);
CREATE INDEX sessions_devices ON sessions (created_at, id) WHERE method = 'device';
CREATE INDEX sessions_person ON sessions (person_id, created_at, id);
