-- What the migrations make. Written by "make schema", compared by a test.

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
, created_by   TEXT NOT NULL DEFAULT '', last_used_at INTEGER NOT NULL DEFAULT 0, revoked_at   INTEGER NOT NULL DEFAULT 0);

CREATE INDEX api_keys_created ON api_keys (created_at, id);

CREATE TABLE audit (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    time       INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    target     TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    request_id TEXT NOT NULL,
    source     TEXT NOT NULL
, before TEXT NOT NULL DEFAULT '', after TEXT NOT NULL DEFAULT '', idx INTEGER, leaf_version INTEGER NOT NULL DEFAULT 1);

CREATE INDEX audit_action ON audit (action, seq);

CREATE INDEX audit_actor ON audit (actor, seq);

CREATE UNIQUE INDEX audit_idx ON audit (idx);

CREATE INDEX audit_outcome ON audit (outcome, seq);

CREATE INDEX audit_pending ON audit (seq) WHERE idx IS NULL;

CREATE INDEX audit_target ON audit (target, seq);

CREATE INDEX audit_time ON audit (time);

CREATE TABLE audit_checkpoints (
    size INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    note TEXT NOT NULL
);

CREATE TABLE audit_hashes (
    position INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL
);

CREATE TABLE audit_segments (
    number INTEGER PRIMARY KEY,
    bytes  BIGINT NOT NULL,
    newest BIGINT NOT NULL -- time of its newest event
);

CREATE TABLE audit_sequencer (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    epoch       INTEGER NOT NULL,
    holder      TEXT NOT NULL,
    lease_until INTEGER NOT NULL
);

CREATE TABLE audit_sinks (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL
);

CREATE TABLE audit_verified (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    mark TEXT NOT NULL
);

CREATE TABLE audit_witnesses (
    connector TEXT PRIMARY KEY,
    size      INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    failure   TEXT NOT NULL
);

CREATE TABLE changes (
    seq  INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    op   TEXT NOT NULL
);

CREATE TABLE claims (
    hash     BLOB PRIMARY KEY,
    token_id TEXT NOT NULL UNIQUE REFERENCES tokens (id),
    sealed   BLOB NOT NULL
);

CREATE TABLE connectors (
    id            TEXT PRIMARY KEY,
    host_id       TEXT NOT NULL REFERENCES hosts (id),
    selectors     TEXT NOT NULL,
    version       TEXT NOT NULL,
    enrolled_at   INTEGER NOT NULL,
    revoked_at    INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    private_ip    TEXT NOT NULL DEFAULT '',
    addresses     TEXT NOT NULL DEFAULT '[]'
, network_id TEXT NOT NULL DEFAULT 'default', name TEXT NOT NULL DEFAULT '', labels TEXT NOT NULL DEFAULT '{}', notes TEXT NOT NULL DEFAULT '', revision BIGINT NOT NULL DEFAULT 1);

CREATE INDEX connectors_host ON connectors (host_id);

CREATE INDEX connectors_network ON connectors (network_id, id) WHERE revoked_at = 0;

CREATE INDEX connectors_network_gone ON connectors (network_id) WHERE revoked_at <> 0;

CREATE TABLE denials (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT, -- a later one is newer
    kind            TEXT NOT NULL,
    workload        TEXT NOT NULL,
    svid_not_before INTEGER NOT NULL,
    UNIQUE (kind, workload)
);

CREATE TABLE dismissals (
    id           TEXT PRIMARY KEY,
    dismissed_at BIGINT NOT NULL
);

CREATE TABLE flow_positions (
    connector TEXT NOT NULL,
    run       TEXT NOT NULL,
    position  BIGINT NOT NULL,
    lost      BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (connector, run)
);

CREATE INDEX flow_positions_at ON flow_positions (at);

CREATE TABLE flows (
    seq           INTEGER PRIMARY KEY,
    recorded_at   BIGINT NOT NULL,
    opened_at     BIGINT NOT NULL,
    ended_at      BIGINT NOT NULL,
    tunneler      TEXT NOT NULL,
    connector     TEXT NOT NULL,
    network       TEXT NOT NULL,
    resource      TEXT NOT NULL,
    resource_name TEXT NOT NULL,
    grant_id      TEXT NOT NULL,
    target        TEXT NOT NULL,
    address       TEXT NOT NULL,
    connected     BIGINT NOT NULL,
    code          TEXT NOT NULL,
    decision      TEXT NOT NULL,
    up            BIGINT NOT NULL,
    down          BIGINT NOT NULL,
    count         BIGINT NOT NULL
);

CREATE INDEX flows_ended ON flows (ended_at, seq);

CREATE INDEX flows_resource ON flows (resource, ended_at, seq) WHERE resource <> '';

CREATE INDEX flows_target ON flows (target, ended_at, seq);

CREATE INDEX flows_tunneler ON flows (tunneler, ended_at, seq);

CREATE TABLE grants (
    id         TEXT PRIMARY KEY,
    subject    TEXT NOT NULL,
    object     TEXT NOT NULL,
    ends_at    BIGINT NOT NULL,
    time_zone  TEXT NOT NULL,
    windows    TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision   BIGINT NOT NULL
);

CREATE INDEX grants_ends ON grants (ends_at, id);

CREATE INDEX grants_object ON grants (object, id);

CREATE INDEX grants_subject ON grants (subject, id);

CREATE TABLE hosts (
    id           TEXT PRIMARY KEY,
    agent_id     TEXT NOT NULL,
    key_hash     BLOB NOT NULL,
    certificate  BLOB NOT NULL,
    ephemeral    INTEGER NOT NULL,
    hostname     TEXT NOT NULL,
    enrolled_at  INTEGER NOT NULL,
    contested_at INTEGER NOT NULL,
    revoked_at   INTEGER NOT NULL
, cloned_at INTEGER NOT NULL DEFAULT 0, clone TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '', labels TEXT NOT NULL DEFAULT '{}', notes TEXT NOT NULL DEFAULT '', revision BIGINT NOT NULL DEFAULT 1);

CREATE INDEX hosts_agent ON hosts (agent_id);

CREATE UNIQUE INDEX hosts_key_hash ON hosts (key_hash);

CREATE TABLE idempotency (
    actor       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    started_at  INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    resource    TEXT NOT NULL,
    PRIMARY KEY (actor, key)
);

CREATE INDEX idempotency_started ON idempotency (started_at);

CREATE TABLE last_seen (
    kind      TEXT NOT NULL,
    id        TEXT NOT NULL,
    at        INTEGER NOT NULL,
    version   TEXT NOT NULL,
    connector TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);

CREATE TABLE networks (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
, revision BIGINT NOT NULL DEFAULT 1, prefixes TEXT NOT NULL DEFAULT '[]');

CREATE TABLE people (
    id              TEXT PRIMARY KEY,
    email           TEXT NOT NULL,
    name            TEXT NOT NULL,
    role            TEXT NOT NULL,
    password_hash   TEXT NOT NULL,
    issuer          TEXT NOT NULL,
    subject         TEXT NOT NULL,
    totp_seed       BLOB NOT NULL, -- sealed
    totp_pending    BLOB NOT NULL, -- sealed
    totp_step       INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    last_sign_in_at INTEGER NOT NULL,
    disabled_at     INTEGER NOT NULL
);

CREATE INDEX people_created ON people (created_at, id);

CREATE UNIQUE INDEX people_email ON people (email) WHERE subject = '';

CREATE UNIQUE INDEX people_subject ON people (issuer, subject) WHERE subject != '';

CREATE TABLE policy_tests (
    id         TEXT PRIMARY KEY,
    subject    TEXT NOT NULL,
    target     TEXT NOT NULL,
    network_id TEXT NOT NULL,
    expect     TEXT NOT NULL,
    note       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision   BIGINT NOT NULL
);

CREATE INDEX policy_tests_subject ON policy_tests (subject, id);

CREATE INDEX policy_tests_target ON policy_tests (target, id);

CREATE TABLE recovery_codes (
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    hash      BLOB NOT NULL,
    PRIMARY KEY (person_id, hash)
);

CREATE TABLE recovery_keys (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    public_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);

CREATE TABLE requests (
    id          TEXT PRIMARY KEY,
    code        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    workload    TEXT NOT NULL,
    facts       TEXT NOT NULL,
    ephemeral   INTEGER NOT NULL,
    csr         BLOB NOT NULL,
    host_cert   BLOB NOT NULL,
    key_hash    BLOB NOT NULL,
    fingerprint TEXT NOT NULL,
    mismatches  INTEGER NOT NULL,
    source      TEXT NOT NULL,
    net         TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    decision    TEXT NOT NULL,
    decided_at  INTEGER NOT NULL,
    decided_by  TEXT NOT NULL,
    token_id    TEXT NOT NULL
);

CREATE UNIQUE INDEX requests_code ON requests (code) WHERE decision = '';

CREATE INDEX requests_created ON requests (created_at, id);

CREATE INDEX requests_expires ON requests (expires_at, id);

CREATE INDEX requests_key ON requests (key_hash, created_at);

CREATE INDEX requests_pending ON requests (expires_at) WHERE decision = '';

CREATE INDEX requests_token ON requests (token_id);

CREATE INDEX requests_workload ON requests (workload, id);

CREATE TABLE resources (
    id         TEXT PRIMARY KEY,
    network_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    hosts      TEXT NOT NULL,
    ports      TEXT NOT NULL,
    alias      TEXT NOT NULL,
    labels     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision   BIGINT NOT NULL
, proxy_protocol TEXT NOT NULL DEFAULT '');

CREATE UNIQUE INDEX resources_alias ON resources (alias) WHERE alias <> '';

CREATE INDEX resources_name ON resources (name, id);

CREATE INDEX resources_network ON resources (network_id, id);

CREATE TABLE rotations (
    id         TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    phase      TEXT NOT NULL,
    actor      TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    -- The rest, as JSON: nothing but a rotation itself looks for it.
    details    TEXT NOT NULL
);

CREATE INDEX rotations_started ON rotations (started_at);

CREATE UNIQUE INDEX rotations_unfinished ON rotations (ended_at) WHERE ended_at = 0;

CREATE TABLE sessions (
    id            TEXT PRIMARY KEY,
    hash          BLOB NOT NULL UNIQUE,
    person_id     TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    method        TEXT NOT NULL,
    source        TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    step_up_until INTEGER NOT NULL
);

CREATE INDEX sessions_created ON sessions (created_at, id);

CREATE INDEX sessions_devices ON sessions (created_at, id) WHERE method = 'device';

CREATE INDEX sessions_person ON sessions (person_id, created_at, id);

CREATE TABLE setup_links (
    hash       BLOB PRIMARY KEY,
    person_id  TEXT REFERENCES people (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE sign_in_failures (
    key          BLOB PRIMARY KEY,
    count        INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
);

CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    seed       BLOB NOT NULL, -- sealed
    created_at INTEGER NOT NULL
);

CREATE TABLE svid_anchors (
    first_seq INTEGER PRIMARY KEY,
    last_seq  BIGINT NOT NULL,
    first_at  BIGINT NOT NULL, -- ms
    last_at   BIGINT NOT NULL  -- ms
);

CREATE TABLE svid_names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE svid_renewals (
    seq       INTEGER PRIMARY KEY,
    time      BIGINT NOT NULL, -- ms
    member    INTEGER NOT NULL,
    serial    BLOB NOT NULL,
    authority INTEGER NOT NULL,
    not_after BIGINT NOT NULL -- s
);

CREATE INDEX svid_renewals_member ON svid_renewals (member, seq);

CREATE TABLE timelines (
    number           BIGINT PRIMARY KEY,
    statement        TEXT NOT NULL,
    old_verifier_key TEXT NOT NULL,
    old_checkpoint   TEXT NOT NULL,
    begun_at         BIGINT NOT NULL
);

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    workload   TEXT NOT NULL,
    replaces   INTEGER NOT NULL,
    source     TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL,
    key_hash   BLOB NOT NULL,
    host_id    TEXT NOT NULL
, delivery TEXT NOT NULL DEFAULT 'plain', recipient TEXT NOT NULL DEFAULT '', opened_at INTEGER NOT NULL DEFAULT 0, opened_from TEXT NOT NULL DEFAULT '', reopened_at INTEGER NOT NULL DEFAULT 0, reopened_from TEXT NOT NULL DEFAULT '');

CREATE INDEX tokens_created ON tokens (created_at, id);

CREATE INDEX tokens_expires ON tokens (expires_at, id);

CREATE INDEX tokens_workload ON tokens (workload, id);

CREATE TABLE tombstones (
    host_id  TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL,
    until    BIGINT NOT NULL
);

CREATE TABLE tunnelers (
    id            TEXT PRIMARY KEY,
    host_id       TEXT NOT NULL REFERENCES hosts (id),
    selectors     TEXT NOT NULL,
    version       TEXT NOT NULL,
    enrolled_at   INTEGER NOT NULL,
    revoked_at    INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL, name TEXT NOT NULL DEFAULT '', labels TEXT NOT NULL DEFAULT '{}', notes TEXT NOT NULL DEFAULT '', revision BIGINT NOT NULL DEFAULT 1);

CREATE INDEX tunnelers_host ON tunnelers (host_id);
