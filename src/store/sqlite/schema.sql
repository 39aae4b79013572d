CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    term INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    stream TEXT NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_stream ON event (stream, seq);
CREATE TABLE delivery (
    key TEXT PRIMARY KEY,
    event TEXT NOT NULL,
    issue TEXT,
    received_ms INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX delivery_pending ON delivery (received_ms) WHERE pending = 1;
CREATE TABLE snapshot (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE report (
    tree TEXT NOT NULL,
    gate_set TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tree, gate_set)
) STRICT, WITHOUT ROWID;
CREATE TABLE term (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    current INTEGER NOT NULL
) STRICT;
INSERT INTO term VALUES (1, 0);
