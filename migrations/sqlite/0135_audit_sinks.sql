-- How far each sink is in each chain. The row of the chain '' says that the sink was there before.
CREATE TABLE audit_cursors (
    sink          TEXT NOT NULL,
    chain         TEXT NOT NULL,
    -- The last link that the receiver has taken, or that was not for it.
    link          INTEGER NOT NULL,
    -- Who delivers, until when unless it says so again.
    holder        TEXT NOT NULL DEFAULT '',
    until         INTEGER NOT NULL DEFAULT 0,
    -- Events that were taken, that were refused, and that left with retention before they could be delivered.
    sent          INTEGER NOT NULL DEFAULT 0,
    refused       INTEGER NOT NULL DEFAULT 0,
    lost          INTEGER NOT NULL DEFAULT 0,
    moved_at      INTEGER,
    failing_since INTEGER,
    error         TEXT,
    PRIMARY KEY (sink, chain)
) STRICT, WITHOUT ROWID;

-- Events that a receiver refuses for good. What they say is in the trail alone, so that an erasure finds all of it.
CREATE TABLE audit_dead_letters (
    sink       TEXT NOT NULL,
    chain      TEXT NOT NULL,
    link       INTEGER NOT NULL,
    event      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    why        TEXT NOT NULL,
    -- When it was asked for that it is sent again.
    again_at   INTEGER,
    PRIMARY KEY (sink, chain, link)
) STRICT, WITHOUT ROWID;
