-- The embedded store. Times are milliseconds since 1970-01-01T00:00:00Z; lists are JSON arrays.

CREATE TABLE users (
    id            TEXT NOT NULL PRIMARY KEY,
    tenant        TEXT NOT NULL,
    user_name     TEXT NOT NULL,
    -- The name in lower case: what makes it unique and what it is looked up by.
    folded_name   TEXT NOT NULL,
    email         TEXT,
    name          TEXT,
    active        INTEGER NOT NULL,
    "groups"      TEXT NOT NULL,
    roles         TEXT NOT NULL,
    connection    TEXT,
    issuer        TEXT,
    subject       TEXT,
    password_hash TEXT,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    CHECK ((connection IS NULL) = (issuer IS NULL) AND (issuer IS NULL) = (subject IS NULL))
) STRICT;
CREATE UNIQUE INDEX users_by_name ON users (tenant, folded_name);
CREATE UNIQUE INDEX users_by_link ON users (tenant, connection, issuer, subject) WHERE subject IS NOT NULL;

CREATE TABLE programs (
    kind         TEXT NOT NULL,
    id           TEXT NOT NULL,
    tenant       TEXT NOT NULL,
    name         TEXT NOT NULL,
    owner        TEXT,
    roles        TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    networks     TEXT NOT NULL,
    -- Digests of one or two secrets, newest first.
    secrets      TEXT NOT NULL CHECK (json_array_length(secrets) <= 2),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX programs_by_owner ON programs (owner) WHERE owner IS NOT NULL;

CREATE TABLE sessions (
    digest           BLOB NOT NULL PRIMARY KEY,
    handle           TEXT NOT NULL UNIQUE,
    tenant           TEXT NOT NULL,
    user             TEXT NOT NULL,
    connection       TEXT NOT NULL,
    amr              TEXT NOT NULL,
    acr              TEXT,
    authenticated_at INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    last_seen_at     INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    revoked_at       INTEGER,
    provider_session TEXT,
    sealed_tokens    BLOB,
    client_address   TEXT,
    user_agent       TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_revocation ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE once (
    purpose    TEXT NOT NULL,
    token      BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (purpose, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_by_expiry ON once (expires_at);

-- What caches must forget; each row is written in the transaction of the change it announces.
CREATE TABLE changes (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key  TEXT NOT NULL,
    at   INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    reason     TEXT,
    tenant     TEXT NOT NULL,
    actor      TEXT,
    target     TEXT,
    credential TEXT,
    session    TEXT,
    source     TEXT,
    user_agent TEXT,
    request_id TEXT,
    details    TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at);

-- Retention may remove what is older than the moment written here, in the same transaction; nothing else may.
CREATE TABLE audit_retention (
    before INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_is_only_purged_by_retention BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM audit_retention WHERE OLD.at < before)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- INSERT OR REPLACE deletes without firing the trigger above.
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
