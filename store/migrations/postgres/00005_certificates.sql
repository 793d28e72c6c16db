-- What was issued to nodes, and what of it is accepted no more.

-- +goose Up
CREATE TABLE certificates (
    serial  TEXT COLLATE "C" PRIMARY KEY, -- In hexadecimal.
    fleet   TEXT COLLATE "C" NOT NULL,
    node    TEXT COLLATE "C" NOT NULL,
    issued  BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    token   TEXT COLLATE "C" NOT NULL, -- By which the node joined; '' for a renewal.
    renews  TEXT COLLATE "C" NOT NULL, -- The certificate that was renewed; '' for a joining.
    revoked BIGINT NOT NULL
);
CREATE INDEX certificates_node ON certificates (fleet, node, issued);
CREATE INDEX certificates_expires ON certificates (expires);

CREATE TABLE revocations (
    fleet  TEXT COLLATE "C" NOT NULL,
    node   TEXT COLLATE "C" NOT NULL,
    serial TEXT COLLATE "C" NOT NULL,   -- One certificate; '' for all of the node that began before a time.
    before BIGINT NOT NULL, -- That time; 0 with a serial.
    author TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    made   BIGINT NOT NULL,
    PRIMARY KEY (fleet, node, serial)
);
