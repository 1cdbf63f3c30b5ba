-- +goose Up
-- With which version of the PROXY protocol connections to a resource begin (access.ProxyProtocol);
-- empty is without.
ALTER TABLE resources ADD COLUMN proxy_protocol TEXT NOT NULL DEFAULT '';
