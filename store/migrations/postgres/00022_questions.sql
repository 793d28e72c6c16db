-- What replicas ask each other, and answer.

-- +goose Up
CREATE TABLE questions (
    id      TEXT NOT NULL,
    replica TEXT NOT NULL, -- Whose answer it is; empty: the question itself.
    text    BYTEA NOT NULL, -- Opaque here.
    asked   BIGINT NOT NULL,
    PRIMARY KEY (id, replica)
);
