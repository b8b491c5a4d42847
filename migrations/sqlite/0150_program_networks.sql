-- From when on it is learnt from where a key or client is used.
ALTER TABLE programs ADD COLUMN networks_since INTEGER;

-- From which networks keys and clients were used: a new one may be worth an alarm.
CREATE TABLE program_networks (
    kind         TEXT NOT NULL,
    id           TEXT NOT NULL,
    network      TEXT NOT NULL,
    -- The first address of it.
    address      TEXT NOT NULL,
    first_at     INTEGER NOT NULL,
    -- Behind by an hour or so.
    last_at      INTEGER NOT NULL,
    -- Since when somebody is at telling of it; NULL: it was told, or is nothing to tell.
    untold_since INTEGER,
    PRIMARY KEY (kind, id, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX program_networks_untold ON program_networks (untold_since) WHERE untold_since IS NOT NULL;
CREATE INDEX program_networks_by_use ON program_networks (last_at);
