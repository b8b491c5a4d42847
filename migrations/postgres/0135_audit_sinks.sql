-- How far each sink is in each chain. The row of the chain '' says that the sink was there before.
CREATE TABLE audit_cursors (
    sink          TEXT COLLATE "C" NOT NULL,
    chain         TEXT COLLATE "C" NOT NULL,
    -- The last link that the receiver has taken, or that was not for it.
    link          BIGINT NOT NULL,
    -- Who delivers, until when unless it says so again.
    holder        TEXT COLLATE "C" NOT NULL DEFAULT '',
    until         BIGINT NOT NULL DEFAULT 0,
    -- Events that were taken, that were refused, and that left with retention before they could be delivered.
    sent          BIGINT NOT NULL DEFAULT 0,
    refused       BIGINT NOT NULL DEFAULT 0,
    lost          BIGINT NOT NULL DEFAULT 0,
    moved_at      BIGINT,
    failing_since BIGINT,
    error         TEXT COLLATE "C",
    PRIMARY KEY (sink, chain)
);

-- Events that a receiver refuses for good. What they say is in the trail alone, so that an erasure finds all of it.
CREATE TABLE audit_dead_letters (
    sink       TEXT COLLATE "C" NOT NULL,
    chain      TEXT COLLATE "C" NOT NULL,
    link       BIGINT NOT NULL,
    event      TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    refused_at BIGINT NOT NULL,
    why        TEXT COLLATE "C" NOT NULL,
    -- When it was asked for that it is sent again.
    again_at   BIGINT,
    PRIMARY KEY (sink, chain, link)
);
