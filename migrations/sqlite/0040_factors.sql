-- Second factors of people. Secrets are sealed with a key of the configuration: the store alone opens nothing.
CREATE TABLE factors (
    id           TEXT NOT NULL PRIMARY KEY,
    user         TEXT NOT NULL,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    secret       BLOB NOT NULL,
    -- What was used last: a code's time step, or how often. It only grows, so that nothing is used twice.
    counter      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX factors_by_user ON factors (user);
