-- +goose Up
-- Items of Attention that an operator has looked into (attention.Board). The id is of one
-- state of one thing.
CREATE TABLE dismissals (
    id           TEXT PRIMARY KEY,
    dismissed_at BIGINT NOT NULL
);
