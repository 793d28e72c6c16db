-- Times are microseconds since 1970 in UTC, 0 stands for none. Bodies are JSON of the rooms that own them.
-- A migration only adds: while one daemon hands over to the next, the old one works on the new schema.

-- +goose Up
-- Numbers that rise without gaps and are never given twice. A change takes the store's lock first, so nobody waits for a row here.
CREATE TABLE counters (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value BIGINT NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION next_number(counter TEXT) RETURNS BIGINT LANGUAGE sql AS $$
    INSERT INTO counters (name, value) VALUES (counter, 1)
    ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value
$$;
-- +goose StatementEnd

CREATE TABLE contents (
    id      TEXT COLLATE "C" PRIMARY KEY,
    created BIGINT NOT NULL,
    hash    BYTEA NOT NULL -- SHA-256 over all paths and the hashes of their files.
);

-- One row for each file that any content has, however many have it.
CREATE TABLE files (
    hash   BYTEA PRIMARY KEY, -- SHA-256 of the file as it was.
    size   BIGINT NOT NULL,  -- Bytes of the file as it was.
    packed BYTEA NOT NULL     -- Deflated.
);

CREATE TABLE content_files (
    content TEXT COLLATE "C" NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    path    TEXT COLLATE "C" NOT NULL,
    file    BYTEA NOT NULL REFERENCES files (hash),
    PRIMARY KEY (content, path)
);
CREATE INDEX content_files_file ON content_files (file);

CREATE TABLE entries (
    number        BIGINT PRIMARY KEY DEFAULT next_number('entries'),
    content       TEXT COLLATE "C" NOT NULL REFERENCES contents (id),
    author        TEXT COLLATE "C" NOT NULL,
    message       TEXT COLLATE "C" NOT NULL,
    parent        BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    state         TEXT COLLATE "C" NOT NULL,
    reason        TEXT COLLATE "C" NOT NULL,
    changed       BIGINT NOT NULL,
    substitutions BYTEA
);
CREATE INDEX entries_state ON entries (state, number);
CREATE INDEX entries_content ON entries (content);

CREATE TABLE nodes (
    fleet      TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    envoy      TEXT COLLATE "C" NOT NULL,
    bootstrap  TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C" NOT NULL,
    entry      BIGINT NOT NULL,
    content    TEXT COLLATE "C" NOT NULL,
    labels     TEXT COLLATE "C" NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    PRIMARY KEY (fleet, name)
);
CREATE INDEX nodes_last_seen ON nodes (last_seen);

CREATE TABLE rollouts (
    id       BIGINT PRIMARY KEY DEFAULT next_number('rollouts'),
    fleet    TEXT COLLATE "C" NOT NULL,
    entry    BIGINT NOT NULL,
    previous BIGINT NOT NULL,
    state    TEXT COLLATE "C" NOT NULL,
    body     BYTEA,
    version  BIGINT NOT NULL,
    started  BIGINT NOT NULL,
    changed  BIGINT NOT NULL,
    finished BIGINT NOT NULL
);
CREATE UNIQUE INDEX rollouts_open ON rollouts (fleet) WHERE finished = 0;
CREATE INDEX rollouts_fleet ON rollouts (fleet, state, id);

CREATE TABLE observed (
    kind    TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    value   BYTEA NOT NULL,
    version BIGINT NOT NULL,
    author  TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- The trail of observed state. Its id is the version of the value that the change made.
CREATE TABLE changes (
    id      BIGINT PRIMARY KEY DEFAULT next_number('changes'),
    kind    TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    deleted BOOLEAN NOT NULL,
    size    BIGINT NOT NULL,
    value   BYTEA, -- None where it is large.
    author  TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL
);
CREATE INDEX changes_kind ON changes (kind, name, id);

CREATE TABLE tokens (
    id      TEXT COLLATE "C" PRIMARY KEY,
    hash    BYTEA NOT NULL, -- SHA-256 of a secret of at least 256 random bits.
    fleet   TEXT COLLATE "C" NOT NULL,
    node    TEXT COLLATE "C" NOT NULL,
    uses    BIGINT NOT NULL,
    author  TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used    BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);

CREATE TABLE authorities (
    id          TEXT COLLATE "C" PRIMARY KEY,
    certificate BYTEA NOT NULL,
    private_key BYTEA NOT NULL,
    sealed      BOOLEAN NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,
    created     BIGINT NOT NULL,
    changed     BIGINT NOT NULL
);
CREATE UNIQUE INDEX authorities_active ON authorities (state) WHERE state IN ('active', 'next');

CREATE TABLE meta (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);
