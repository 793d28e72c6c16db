-- Who calls: applications, what they show, and what they subscribed to.

-- +goose Up
CREATE TABLE applications (
    id      TEXT COLLATE "C" PRIMARY KEY,
    name    TEXT COLLATE "C" NOT NULL,
    team    TEXT COLLATE "C" NOT NULL,
    owner   TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);

CREATE TABLE credentials (
    id          TEXT COLLATE "C" PRIMARY KEY,
    application TEXT COLLATE "C" NOT NULL REFERENCES applications (id),
    prefix      TEXT COLLATE "C" NOT NULL, -- How the secret begins, for people to know it by.
    hash        BYTEA NOT NULL, -- HMAC-SHA-256 of the secret, by a key among the secrets.
    scopes      TEXT COLLATE "C" NOT NULL, -- A JSON list.
    created     BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    used        BIGINT NOT NULL,
    revoked     BIGINT NOT NULL
);
CREATE UNIQUE INDEX credentials_hash ON credentials (hash);
CREATE INDEX credentials_application ON credentials (application);

CREATE TABLE subscriptions (
    id          TEXT COLLATE "C" PRIMARY KEY,
    application TEXT COLLATE "C" NOT NULL REFERENCES applications (id),
    api         TEXT COLLATE "C" NOT NULL,
    plan        TEXT COLLATE "C" NOT NULL,
    created     BIGINT NOT NULL,
    revoked     BIGINT NOT NULL
);
CREATE UNIQUE INDEX subscriptions_open ON subscriptions (application, api) WHERE revoked = 0;
