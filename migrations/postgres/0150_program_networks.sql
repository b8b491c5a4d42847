-- From when on it is learnt from where a key or client is used.
ALTER TABLE programs ADD COLUMN networks_since BIGINT;

-- From which networks keys and clients were used: a new one may be worth an alarm.
CREATE TABLE program_networks (
    kind         TEXT COLLATE "C" NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    network      TEXT COLLATE "C" NOT NULL,
    -- The first address of it.
    address      TEXT COLLATE "C" NOT NULL,
    first_at     BIGINT NOT NULL,
    -- Behind by an hour or so.
    last_at      BIGINT NOT NULL,
    -- Since when somebody is at telling of it; NULL: it was told, or is nothing to tell.
    untold_since BIGINT,
    PRIMARY KEY (kind, id, network)
);
CREATE INDEX program_networks_untold ON program_networks (untold_since) WHERE untold_since IS NOT NULL;
CREATE INDEX program_networks_by_use ON program_networks (last_at);
