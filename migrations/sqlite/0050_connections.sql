-- Ways to sign in that are kept here rather than in the file. The document is what would be typed in the file, without its secrets; those are
-- sealed with a key of the configuration: the store alone opens nothing.
CREATE TABLE connections (
    id         TEXT NOT NULL PRIMARY KEY,
    tenant     TEXT NOT NULL,
    document   TEXT NOT NULL,
    secrets    BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
