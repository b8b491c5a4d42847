-- What a provider's logout names a session by, and whose turn it is to refresh a session's tokens.
ALTER TABLE sessions ADD COLUMN provider_subject TEXT COLLATE "C";
ALTER TABLE sessions ADD COLUMN refresh_at BIGINT;
-- Counts the replacements of sealed_tokens, so that of two at once one is refused.
ALTER TABLE sessions ADD COLUMN tokens_version BIGINT NOT NULL DEFAULT 0;
-- Until then one process refreshes the tokens and the others leave them alone.
ALTER TABLE sessions ADD COLUMN refresh_leased_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sessions_by_provider_session ON sessions (connection, provider_session) WHERE provider_session IS NOT NULL;
CREATE INDEX sessions_by_provider_subject ON sessions (connection, provider_subject) WHERE provider_subject IS NOT NULL;
