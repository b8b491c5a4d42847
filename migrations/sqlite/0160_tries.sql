-- Tries that have not succeeded, of passwords, second factors and break-glass: replicas count together, and no restart forgets.
CREATE TABLE tries (
    -- A digest of what is tried.
    party      BLOB NOT NULL PRIMARY KEY,
    -- In a row, with the one that is being checked.
    failed     INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    -- From when on they do not count any more.
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tries_by_expiry ON tries (expires_at);
