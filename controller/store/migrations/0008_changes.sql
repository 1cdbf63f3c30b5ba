-- +goose Up
-- What changed, in the order of the commits; each transaction writes its rows. The
-- counter is in meta: it stays when old rows are deleted.
CREATE TABLE changes (
    seq  INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    op   TEXT NOT NULL
);
INSERT INTO meta (name, value) VALUES ('change_position', 0);

-- Whoever redeems the token of an approval changes what the request shows.
CREATE INDEX requests_token ON requests (token_id);
