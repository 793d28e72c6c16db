-- Who calls: applications, what they show, and what they subscribed to.

-- +goose Up
CREATE TABLE applications (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    team    TEXT NOT NULL,
    owner   TEXT NOT NULL,
    created BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);

CREATE TABLE credentials (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL REFERENCES applications (id),
    prefix      TEXT NOT NULL, -- How the secret begins, for people to know it by.
    hash        BLOB NOT NULL, -- HMAC-SHA-256 of the secret, by a key among the secrets.
    scopes      TEXT NOT NULL, -- A JSON list.
    created     BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    used        BIGINT NOT NULL,
    revoked     BIGINT NOT NULL
);
CREATE UNIQUE INDEX credentials_hash ON credentials (hash);
CREATE INDEX credentials_application ON credentials (application);

CREATE TABLE subscriptions (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL REFERENCES applications (id),
    api         TEXT NOT NULL,
    plan        TEXT NOT NULL,
    created     BIGINT NOT NULL,
    revoked     BIGINT NOT NULL
);
CREATE UNIQUE INDEX subscriptions_open ON subscriptions (application, api) WHERE revoked = 0;
