-- What directories provision. Attributes are JSON; the index holds what is searched by, in lower case where case does not count.
ALTER TABLE users ADD COLUMN provisioner TEXT;
ALTER TABLE users ADD COLUMN external_id TEXT;
ALTER TABLE users ADD COLUMN attributes TEXT;
-- What the provisioner wants; `active` is what counts.
ALTER TABLE users ADD COLUMN wanted_active INTEGER;
-- Taken out of their last group: inactive until they are in one again.
ALTER TABLE users ADD COLUMN unassigned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX users_by_provisioner ON users (tenant, provisioner, created_at, id) WHERE provisioner IS NOT NULL;
CREATE UNIQUE INDEX users_by_external_id ON users (tenant, provisioner, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_by_email ON users (tenant, lower(email)) WHERE email IS NOT NULL;

CREATE TABLE user_attributes (
    user_id   TEXT NOT NULL,
    attribute TEXT NOT NULL,
    element   INTEGER NOT NULL,
    part      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (user_id, attribute, element, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_attributes_by_value ON user_attributes (attribute, part, value);

CREATE TABLE directory_groups (
    id           TEXT NOT NULL PRIMARY KEY,
    tenant       TEXT NOT NULL,
    connection   TEXT NOT NULL,
    display_name TEXT NOT NULL,
    folded_name  TEXT NOT NULL,
    external_id  TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX directory_groups_by_name ON directory_groups (tenant, folded_name);
CREATE INDEX directory_groups_by_connection ON directory_groups (tenant, connection, created_at, id);

CREATE TABLE group_members (
    group_id TEXT NOT NULL,
    user_id  TEXT NOT NULL,
    PRIMARY KEY (group_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_user ON group_members (user_id);

CREATE TABLE scim_tokens (
    id             TEXT NOT NULL PRIMARY KEY,
    tenant         TEXT NOT NULL,
    connection     TEXT NOT NULL,
    name           TEXT NOT NULL,
    digest         BLOB NOT NULL,
    -- The new secret, while both work.
    next_digest    BLOB,
    created_at     INTEGER NOT NULL,
    rotating_since INTEGER,
    expires_at     INTEGER,
    revoked_at     INTEGER,
    last_used_at   INTEGER
) STRICT;
CREATE INDEX scim_tokens_by_connection ON scim_tokens (tenant, connection);

CREATE TABLE scim_calls (
    token    TEXT NOT NULL,
    number   INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    method   TEXT NOT NULL,
    target   TEXT NOT NULL,
    status   INTEGER NOT NULL,
    took     INTEGER NOT NULL,
    request  TEXT NOT NULL,
    response TEXT NOT NULL,
    PRIMARY KEY (token, number)
) STRICT, WITHOUT ROWID;
