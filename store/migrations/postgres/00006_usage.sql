-- What was called, hour by hour.

-- +goose Up
CREATE TABLE usage (
    hour      BIGINT NOT NULL, -- When it began.
    replica   TEXT COLLATE "C" NOT NULL,   -- The process that counted; '' for the sum of all, once nobody counts in the hour any more.
    api       TEXT COLLATE "C" NOT NULL,
    version   TEXT COLLATE "C" NOT NULL,
    operation TEXT COLLATE "C" NOT NULL,
    class     TEXT COLLATE "C" NOT NULL,
    requests  BIGINT NOT NULL,
    local     BIGINT NOT NULL, -- Of them, not answered by an upstream.
    bytes_in  BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    timed     BIGINT NOT NULL, -- Of them, how long they took is known.
    latency   BIGINT NOT NULL, -- The sum of that, in microseconds.
    PRIMARY KEY (hour, replica, api, version, operation, class)
);
CREATE INDEX usage_api ON usage (api, hour);
