-- Which Envoy may let how much through of the limits that they enforce by themselves.

-- +goose Up
CREATE TABLE assignments (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    state   BYTEA NOT NULL, -- Opaque here.
    version BIGINT NOT NULL
);
