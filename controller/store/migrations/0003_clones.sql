-- +goose Up
-- A host whose key two machines use: since when it is known, and who they are, as
-- JSON (fleet.Clone).
ALTER TABLE hosts ADD COLUMN cloned_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hosts ADD COLUMN clone TEXT NOT NULL DEFAULT '';
