-- Answers to requests that may be sent again, for a while. They are sealed with a key of which the caller has half: the store alone opens none.
CREATE TABLE answers (
    -- Digest of the caller and their name for the request.
    name       BLOB NOT NULL PRIMARY KEY,
    -- Digest of what was asked.
    asked      BLOB NOT NULL,
    sealed     BLOB,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_by_expiry ON answers (expires_at);
