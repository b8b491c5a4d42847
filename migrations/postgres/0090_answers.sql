-- Answers to requests that may be sent again, for a while. They are sealed with a key of which the caller has half: the store alone opens none.
CREATE TABLE answers (
    -- Digest of the caller and their name for the request.
    name       BYTEA NOT NULL PRIMARY KEY,
    -- Digest of what was asked.
    asked      BYTEA NOT NULL,
    sealed     BYTEA,
    expires_at BIGINT NOT NULL
);
CREATE INDEX answers_by_expiry ON answers (expires_at);
