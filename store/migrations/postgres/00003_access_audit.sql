-- Who may use the management API, and the record of what was done through it.

-- +goose Up
CREATE TABLE access_tokens (
    id        TEXT COLLATE "C" PRIMARY KEY,
    hash      BYTEA NOT NULL, -- SHA-256 of a secret of at least 256 random bits.
    name      TEXT COLLATE "C" NOT NULL,
    role      TEXT COLLATE "C" NOT NULL,
    team      TEXT COLLATE "C" NOT NULL,
    read_only BOOLEAN NOT NULL,
    source    TEXT COLLATE "C" NOT NULL,
    author    TEXT COLLATE "C" NOT NULL,
    created   BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    used      BIGINT NOT NULL,
    revoked   BIGINT NOT NULL
);

-- The columns before body repeat it, to be found by; verification compares them.
CREATE TABLE audit (
    seq       BIGINT PRIMARY KEY,
    time      BIGINT NOT NULL,
    caller    TEXT COLLATE "C" NOT NULL,
    operation TEXT COLLATE "C" NOT NULL,
    result    TEXT COLLATE "C" NOT NULL,
    begun     BIGINT NOT NULL, -- The record of the beginning, for one that tells the end.
    body      TEXT COLLATE "C" NOT NULL,   -- JSON, as it was hashed.
    previous  TEXT COLLATE "C" NOT NULL,
    hash      TEXT COLLATE "C" NOT NULL    -- SHA-256 over previous, a line feed and body, in hex.
);
CREATE INDEX audit_begun ON audit (begun);
CREATE INDEX audit_caller ON audit (caller, seq);

-- One row, or none: the last record. Whoever appends holds it.
CREATE TABLE audit_head (
    id   BIGINT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash TEXT COLLATE "C" NOT NULL
);
