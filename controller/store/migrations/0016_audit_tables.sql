-- +goose Up
-- Each query of the audit log reads by one of these, in the order of seq.
DROP INDEX audit_target;
CREATE INDEX audit_target ON audit (target, seq);
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_action ON audit (action, seq);
CREATE INDEX audit_outcome ON audit (outcome, seq);

-- Members and authorities of svid_renewals, each name once.
CREATE TABLE svid_names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- The SVIDs that members proved, for 30 days. seq has no holes; see meta.
CREATE TABLE svid_renewals (
    seq       INTEGER PRIMARY KEY,
    time      BIGINT NOT NULL, -- ms
    member    INTEGER NOT NULL,
    serial    BLOB NOT NULL,
    authority INTEGER NOT NULL,
    not_after BIGINT NOT NULL -- s
);
CREATE INDEX svid_renewals_member ON svid_renewals (member, seq);
INSERT INTO meta (name, value) VALUES ('svid_renewals', 0);

-- What each svid.anchor event covers: where to look for a time. Verification reads the
-- events, not this.
CREATE TABLE svid_anchors (
    first_seq INTEGER PRIMARY KEY,
    last_seq  BIGINT NOT NULL,
    first_at  BIGINT NOT NULL, -- ms
    last_at   BIGINT NOT NULL  -- ms
);

-- Complete segments of the audit log that still have their events.
CREATE TABLE audit_segments (
    number INTEGER PRIMARY KEY,
    bytes  BIGINT NOT NULL,
    newest BIGINT NOT NULL -- time of its newest event
);

-- What the controller's last verification found intact, signed.
CREATE TABLE audit_verified (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    mark TEXT NOT NULL
);
