-- Events are linked: each keeps a hash over its own columns and the hash of the one before it, within the chain of the replica that wrote it.
-- Those from before are older than the chain and have none.
ALTER TABLE audit ADD COLUMN id TEXT COLLATE "C";
ALTER TABLE audit ADD COLUMN chain TEXT COLLATE "C";
-- 1, 2, 3 … within the chain.
ALTER TABLE audit ADD COLUMN link BIGINT;
-- Which columns are hashed, and how: docs/audit.md.
ALTER TABLE audit ADD COLUMN form BIGINT;
ALTER TABLE audit ADD COLUMN hash BYTEA;
CREATE UNIQUE INDEX audit_by_id ON audit (id);
CREATE UNIQUE INDEX audit_by_link ON audit (chain, link);

-- Where each chain stands. Its row is locked by whoever adds to the chain, until that is committed.
CREATE TABLE audit_heads (
    chain      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- The oldest link that retention has left, and the hash of the one before it.
    first_link BIGINT NOT NULL,
    before     BYTEA NOT NULL,
    -- The newest link, its hash, and when its event happened.
    link       BIGINT NOT NULL,
    hash       BYTEA NOT NULL,
    at         BIGINT NOT NULL,
    -- The link up to which nothing has to be stated anew.
    stated     BIGINT NOT NULL
);

CREATE FUNCTION refuse_change_of_audit_heads() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.chain = OLD.chain AND NEW.link >= OLD.link AND NEW.first_link >= OLD.first_link THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$;
CREATE TRIGGER audit_heads_never_go_back BEFORE UPDATE OR DELETE ON audit_heads FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_heads();
CREATE TRIGGER audit_heads_are_never_emptied BEFORE TRUNCATE ON audit_heads FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_heads();

-- What an older version wrote would be in no chain.
UPDATE compatibility SET oldest = 130;
