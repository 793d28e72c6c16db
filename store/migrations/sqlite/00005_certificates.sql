-- What was issued to nodes, and what of it is accepted no more.

-- +goose Up
CREATE TABLE certificates (
    serial  TEXT PRIMARY KEY, -- In hexadecimal.
    fleet   TEXT NOT NULL,
    node    TEXT NOT NULL,
    issued  BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    token   TEXT NOT NULL, -- By which the node joined; '' for a renewal.
    renews  TEXT NOT NULL, -- The certificate that was renewed; '' for a joining.
    revoked BIGINT NOT NULL
);
CREATE INDEX certificates_node ON certificates (fleet, node, issued);
CREATE INDEX certificates_expires ON certificates (expires);

CREATE TABLE revocations (
    fleet  TEXT NOT NULL,
    node   TEXT NOT NULL,
    serial TEXT NOT NULL,   -- One certificate; '' for all of the node that began before a time.
    before BIGINT NOT NULL, -- That time; 0 with a serial.
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    made   BIGINT NOT NULL,
    PRIMARY KEY (fleet, node, serial)
);
