-- Sign-ins by mail: one row for each letter that was asked for, whether or not one was sent, so that the store's work tells nothing.
CREATE TABLE mailed_links (
    -- Digest of the attempt that asked; its secret is in the browser's cookie only.
    attempt    BYTEA NOT NULL PRIMARY KEY,
    -- Digest of the link's token.
    token      BYTEA NOT NULL UNIQUE,
    -- Keyed hash of the code, bound to the attempt.
    code       BYTEA NOT NULL,
    connection TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C" NOT NULL,
    -- Wrong codes that are still borne.
    tries_left BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX mailed_links_by_address ON mailed_links (connection, address, created_at);
CREATE INDEX mailed_links_by_time ON mailed_links (created_at);

CREATE TABLE invitations (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant      TEXT COLLATE "C" NOT NULL,
    -- In lower case: what an asserted address is compared with.
    address     TEXT COLLATE "C" NOT NULL,
    connection  TEXT COLLATE "C" NOT NULL,
    roles       JSONB NOT NULL,
    invited_by  TEXT COLLATE "C" NOT NULL,
    -- Digest of the link's token.
    token       BYTEA NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    -- The person said yes.
    accepted_at BIGINT,
    -- The account was made.
    used_at     BIGINT,
    revoked_at  BIGINT
);
-- Nobody is invited twice at once.
CREATE UNIQUE INDEX invitations_open ON invitations (tenant, address, connection) WHERE used_at IS NULL AND revoked_at IS NULL;
