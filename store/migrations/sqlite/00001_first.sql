-- Times are microseconds since 1970 in UTC, 0 stands for none. Bodies are JSON of the rooms that own them.
-- A migration only adds: while one daemon hands over to the next, the old one works on the new schema.

-- +goose Up
CREATE TABLE contents (
    id      TEXT PRIMARY KEY,
    created BIGINT NOT NULL,
    hash    BLOB NOT NULL -- SHA-256 over all paths and the hashes of their files.
);

-- One row for each file that any content has, however many have it.
CREATE TABLE files (
    hash   BLOB PRIMARY KEY, -- SHA-256 of the file as it was.
    size   BIGINT NOT NULL,  -- Bytes of the file as it was.
    packed BLOB NOT NULL     -- Deflated.
);

CREATE TABLE content_files (
    content TEXT NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    path    TEXT NOT NULL,
    file    BLOB NOT NULL REFERENCES files (hash),
    PRIMARY KEY (content, path)
);
CREATE INDEX content_files_file ON content_files (file);

CREATE TABLE entries (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    content       TEXT NOT NULL REFERENCES contents (id),
    author        TEXT NOT NULL,
    message       TEXT NOT NULL,
    parent        BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    state         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    changed       BIGINT NOT NULL,
    substitutions BLOB
);
CREATE INDEX entries_state ON entries (state, number);
CREATE INDEX entries_content ON entries (content);

CREATE TABLE nodes (
    fleet      TEXT NOT NULL,
    name       TEXT NOT NULL,
    envoy      TEXT NOT NULL,
    bootstrap  TEXT NOT NULL,
    address    TEXT NOT NULL,
    entry      BIGINT NOT NULL,
    content    TEXT NOT NULL,
    labels     TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    PRIMARY KEY (fleet, name)
);
CREATE INDEX nodes_last_seen ON nodes (last_seen);

CREATE TABLE rollouts (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    fleet    TEXT NOT NULL,
    entry    BIGINT NOT NULL,
    previous BIGINT NOT NULL,
    state    TEXT NOT NULL,
    body     BLOB,
    version  BIGINT NOT NULL,
    started  BIGINT NOT NULL,
    changed  BIGINT NOT NULL,
    finished BIGINT NOT NULL
);
CREATE UNIQUE INDEX rollouts_open ON rollouts (fleet) WHERE finished = 0;
CREATE INDEX rollouts_fleet ON rollouts (fleet, state, id);

CREATE TABLE observed (
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   BLOB NOT NULL,
    version BIGINT NOT NULL,
    author  TEXT NOT NULL,
    message TEXT NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- The trail of observed state. Its id is the version of the value that the change made.
CREATE TABLE changes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    deleted BOOLEAN NOT NULL,
    size    BIGINT NOT NULL,
    value   BLOB, -- None where it is large.
    author  TEXT NOT NULL,
    message TEXT NOT NULL,
    changed BIGINT NOT NULL
);
CREATE INDEX changes_kind ON changes (kind, name, id);

CREATE TABLE tokens (
    id      TEXT PRIMARY KEY,
    hash    BLOB NOT NULL, -- SHA-256 of a secret of at least 256 random bits.
    fleet   TEXT NOT NULL,
    node    TEXT NOT NULL,
    uses    BIGINT NOT NULL,
    author  TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used    BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);

CREATE TABLE authorities (
    id          TEXT PRIMARY KEY,
    certificate BLOB NOT NULL,
    private_key BLOB NOT NULL,
    sealed      BOOLEAN NOT NULL,
    state       TEXT NOT NULL,
    created     BIGINT NOT NULL,
    changed     BIGINT NOT NULL
);
CREATE UNIQUE INDEX authorities_active ON authorities (state) WHERE state IN ('active', 'next');

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
