-- The store of many replicas. Times are milliseconds since 1970-01-01T00:00:00Z; lists are JSON arrays. Texts are compared byte by byte, as in
-- the embedded store, so that order and uniqueness are the same whatever the database's locale is.

CREATE TABLE users (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant        TEXT COLLATE "C" NOT NULL,
    user_name     TEXT COLLATE "C" NOT NULL,
    -- The name in lower case: what makes it unique and what it is looked up by.
    folded_name   TEXT COLLATE "C" NOT NULL,
    email         TEXT COLLATE "C",
    name          TEXT COLLATE "C",
    active        BOOLEAN NOT NULL,
    "groups"      JSONB NOT NULL,
    roles         JSONB NOT NULL,
    connection    TEXT COLLATE "C",
    issuer        TEXT COLLATE "C",
    subject       TEXT COLLATE "C",
    password_hash TEXT COLLATE "C",
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    CHECK ((connection IS NULL) = (issuer IS NULL) AND (issuer IS NULL) = (subject IS NULL))
);
CREATE UNIQUE INDEX users_by_name ON users (tenant, folded_name);
CREATE UNIQUE INDEX users_by_link ON users (tenant, connection, issuer, subject) WHERE subject IS NOT NULL;

CREATE TABLE programs (
    kind         TEXT COLLATE "C" NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    tenant       TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    owner        TEXT COLLATE "C",
    roles        JSONB NOT NULL,
    scopes       JSONB NOT NULL,
    networks     JSONB NOT NULL,
    -- Digests of one or two secrets, newest first.
    secrets      JSONB NOT NULL CHECK (jsonb_array_length(secrets) <= 2),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    PRIMARY KEY (kind, id)
);
CREATE INDEX programs_by_owner ON programs (owner) WHERE owner IS NOT NULL;

CREATE TABLE sessions (
    digest           BYTEA NOT NULL PRIMARY KEY,
    handle           TEXT COLLATE "C" NOT NULL UNIQUE,
    tenant           TEXT COLLATE "C" NOT NULL,
    "user"           TEXT COLLATE "C" NOT NULL,
    connection       TEXT COLLATE "C" NOT NULL,
    amr              JSONB NOT NULL,
    acr              TEXT COLLATE "C",
    authenticated_at BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    last_seen_at     BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    revoked_at       BIGINT,
    provider_session TEXT COLLATE "C",
    sealed_tokens    BYTEA,
    client_address   TEXT COLLATE "C",
    user_agent       TEXT COLLATE "C"
);
CREATE INDEX sessions_by_user ON sessions ("user");
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_revocation ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE once (
    purpose    TEXT COLLATE "C" NOT NULL,
    token      BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (purpose, token)
);
CREATE INDEX once_by_expiry ON once (expires_at);

-- What caches must forget; each row is written in the transaction of the change it announces.
CREATE TABLE changes (
    seq  BIGINT NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    key  TEXT COLLATE "C" NOT NULL,
    at   BIGINT NOT NULL
);

-- The number of the newest change. A transaction raises it last of all it does and holds it until it ends, so that numbers have no gaps and follow
-- the order of commits: whoever has read up to one has missed nothing before it. A sequence promises neither.
CREATE TABLE change_counter (
    newest BIGINT NOT NULL
);
INSERT INTO change_counter (newest) VALUES (0);

-- The number of the newest event, for the same reason: whoever streams the trail in order must not find an earlier one later.
CREATE TABLE audit_counter (
    newest BIGINT NOT NULL
);
INSERT INTO audit_counter (newest) VALUES (0);

CREATE FUNCTION next_audit_number() RETURNS BIGINT LANGUAGE sql VOLATILE AS $$
    UPDATE audit_counter SET newest = newest + 1 RETURNING newest
$$;

CREATE TABLE audit (
    seq        BIGINT NOT NULL PRIMARY KEY DEFAULT next_audit_number(),
    at         BIGINT NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    outcome    TEXT COLLATE "C" NOT NULL,
    reason     TEXT COLLATE "C",
    tenant     TEXT COLLATE "C" NOT NULL,
    actor      TEXT COLLATE "C",
    target     TEXT COLLATE "C",
    credential TEXT COLLATE "C",
    session    TEXT COLLATE "C",
    source     TEXT COLLATE "C",
    user_agent TEXT COLLATE "C",
    request_id TEXT COLLATE "C",
    details    JSONB NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);

-- Retention may remove what is older than the moment written here, in the same transaction; nothing else may.
CREATE TABLE audit_retention (
    before BIGINT NOT NULL
);

CREATE FUNCTION refuse_change_of_audit() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM audit_retention WHERE OLD.at < before) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit();
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
