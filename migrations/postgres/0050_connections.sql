-- Ways to sign in that are kept here rather than in the file. The document is what would be typed in the file, without its secrets; those are
-- sealed with a key of the configuration: the store alone opens nothing.
CREATE TABLE connections (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant     TEXT COLLATE "C" NOT NULL,
    document   JSONB NOT NULL,
    secrets    BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
