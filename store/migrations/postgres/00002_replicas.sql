-- Replicas of one store: who drives (leases), who lives (replicas), what changed (the feed), and secrets of whatever kind.

-- +goose Up
CREATE TABLE leases (
    name   TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    fence  BIGINT NOT NULL, -- Rises with each taking, and none is ever given twice.
    taken  BIGINT NOT NULL,
    ends   BIGINT NOT NULL
);

CREATE TABLE replicas (
    id        TEXT COLLATE "C" PRIMARY KEY,
    addresses TEXT COLLATE "C" NOT NULL, -- A JSON object.
    report    BYTEA,
    version   TEXT COLLATE "C" NOT NULL,
    started   BIGINT NOT NULL,
    seen      BIGINT NOT NULL
);

CREATE TABLE secrets (
    name    TEXT COLLATE "C" PRIMARY KEY,
    value   BYTEA NOT NULL,
    sealed  BOOLEAN NOT NULL,
    changed BIGINT NOT NULL
);

-- One row, which counts the changes of the store.
CREATE TABLE feed (
    id     BIGINT PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO feed (id, number) VALUES (1, 0);
