-- Sign-ins by mail: one row for each letter that was asked for, whether or not one was sent, so that the store's work tells nothing.
CREATE TABLE mailed_links (
    -- Digest of the attempt that asked; its secret is in the browser's cookie only.
    attempt    BLOB NOT NULL PRIMARY KEY,
    -- Digest of the link's token.
    token      BLOB NOT NULL UNIQUE,
    -- Keyed hash of the code, bound to the attempt.
    code       BLOB NOT NULL,
    connection TEXT NOT NULL,
    address    TEXT NOT NULL,
    -- Wrong codes that are still borne.
    tries_left INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX mailed_links_by_address ON mailed_links (connection, address, created_at);
CREATE INDEX mailed_links_by_time ON mailed_links (created_at);

CREATE TABLE invitations (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant      TEXT NOT NULL,
    -- In lower case: what an asserted address is compared with.
    address     TEXT NOT NULL,
    connection  TEXT NOT NULL,
    roles       TEXT NOT NULL,
    invited_by  TEXT NOT NULL,
    -- Digest of the link's token.
    token       BLOB NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    -- The person said yes.
    accepted_at INTEGER,
    -- The account was made.
    used_at     INTEGER,
    revoked_at  INTEGER
) STRICT;
-- Nobody is invited twice at once.
CREATE UNIQUE INDEX invitations_open ON invitations (tenant, address, connection) WHERE used_at IS NULL AND revoked_at IS NULL;
