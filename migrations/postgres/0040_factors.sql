-- Second factors of people. Secrets are sealed with a key of the configuration: the store alone opens nothing.
CREATE TABLE factors (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    "user"       TEXT COLLATE "C" NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    secret       BYTEA NOT NULL,
    -- What was used last: a code's time step, or how often. It only grows, so that nothing is used twice.
    counter      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX factors_by_user ON factors ("user");
