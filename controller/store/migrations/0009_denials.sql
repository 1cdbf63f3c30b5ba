-- +goose Up
-- Revocations as members and hosts keep them (fleet.Denial): X509-SVIDs of a workload
-- from before a time. A row outlives the member, whose id may be enrolled anew.
CREATE TABLE denials (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT, -- a later one is newer
    kind            TEXT NOT NULL,
    workload        TEXT NOT NULL,
    svid_not_before INTEGER NOT NULL,
    UNIQUE (kind, workload)
);
