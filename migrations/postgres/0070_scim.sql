-- What directories provision. Attributes are JSON; the index holds what is searched by, in lower case where case does not count.
ALTER TABLE users ADD COLUMN provisioner TEXT COLLATE "C";
ALTER TABLE users ADD COLUMN external_id TEXT COLLATE "C";
ALTER TABLE users ADD COLUMN attributes JSONB;
-- What the provisioner wants; `active` is what counts.
ALTER TABLE users ADD COLUMN wanted_active BOOLEAN;
-- Taken out of their last group: inactive until they are in one again.
ALTER TABLE users ADD COLUMN unassigned BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX users_by_provisioner ON users (tenant, provisioner, created_at, id) WHERE provisioner IS NOT NULL;
CREATE UNIQUE INDEX users_by_external_id ON users (tenant, provisioner, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_by_email ON users (tenant, lower(email)) WHERE email IS NOT NULL;

CREATE TABLE user_attributes (
    user_id   TEXT COLLATE "C" NOT NULL,
    attribute TEXT COLLATE "C" NOT NULL,
    element   BIGINT NOT NULL,
    part      TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, attribute, element, part)
);
CREATE INDEX user_attributes_by_value ON user_attributes (attribute, part, value);

CREATE TABLE directory_groups (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant       TEXT COLLATE "C" NOT NULL,
    connection   TEXT COLLATE "C" NOT NULL,
    display_name TEXT COLLATE "C" NOT NULL,
    folded_name  TEXT COLLATE "C" NOT NULL,
    external_id  TEXT COLLATE "C",
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX directory_groups_by_name ON directory_groups (tenant, folded_name);
CREATE INDEX directory_groups_by_connection ON directory_groups (tenant, connection, created_at, id);

CREATE TABLE group_members (
    group_id TEXT COLLATE "C" NOT NULL,
    user_id  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_by_user ON group_members (user_id);

CREATE TABLE scim_tokens (
    id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant         TEXT COLLATE "C" NOT NULL,
    connection     TEXT COLLATE "C" NOT NULL,
    name           TEXT COLLATE "C" NOT NULL,
    digest         BYTEA NOT NULL,
    -- The new secret, while both work.
    next_digest    BYTEA,
    created_at     BIGINT NOT NULL,
    rotating_since BIGINT,
    expires_at     BIGINT,
    revoked_at     BIGINT,
    last_used_at   BIGINT
);
CREATE INDEX scim_tokens_by_connection ON scim_tokens (tenant, connection);

CREATE TABLE scim_calls (
    token    TEXT COLLATE "C" NOT NULL,
    number   BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    method   TEXT COLLATE "C" NOT NULL,
    target   TEXT COLLATE "C" NOT NULL,
    status   BIGINT NOT NULL,
    took     BIGINT NOT NULL,
    request  TEXT COLLATE "C" NOT NULL,
    response TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (token, number)
);
