-- Events are linked: each keeps a hash over its own columns and the hash of the one before it, within the chain of the replica that wrote it.
-- Those from before are older than the chain and have none.
ALTER TABLE audit ADD COLUMN id TEXT;
ALTER TABLE audit ADD COLUMN chain TEXT;
-- 1, 2, 3 … within the chain.
ALTER TABLE audit ADD COLUMN link INTEGER;
-- Which columns are hashed, and how: docs/audit.md.
ALTER TABLE audit ADD COLUMN form INTEGER;
ALTER TABLE audit ADD COLUMN hash BLOB;
CREATE UNIQUE INDEX audit_by_id ON audit (id);
CREATE UNIQUE INDEX audit_by_link ON audit (chain, link);

-- Where each chain stands. Its row is locked by whoever adds to the chain, until that is committed.
CREATE TABLE audit_heads (
    chain      TEXT NOT NULL PRIMARY KEY,
    -- The oldest link that retention has left, and the hash of the one before it.
    first_link INTEGER NOT NULL,
    before     BLOB NOT NULL,
    -- The newest link, its hash, and when its event happened.
    link       INTEGER NOT NULL,
    hash       BLOB NOT NULL,
    at         INTEGER NOT NULL,
    -- The link up to which nothing has to be stated anew.
    stated     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Numbers are taken before the rows are written, because they are hashed with them.
CREATE TABLE audit_counter (
    newest INTEGER NOT NULL
) STRICT;
INSERT INTO audit_counter (newest) SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0);

-- INSERT OR REPLACE deletes without firing the trigger of deletions. An event that is there already is left as it is.
CREATE TRIGGER audit_links_are_never_replaced BEFORE INSERT ON audit
BEGIN
    SELECT RAISE(IGNORE) WHERE EXISTS (SELECT 1 FROM audit WHERE id = NEW.id);
    SELECT RAISE(ABORT, 'the audit trail is append-only') WHERE EXISTS (SELECT 1 FROM audit WHERE chain = NEW.chain AND link = NEW.link);
END;

CREATE TRIGGER audit_heads_never_go_back BEFORE UPDATE ON audit_heads
WHEN NEW.chain <> OLD.chain OR NEW.link < OLD.link OR NEW.first_link < OLD.first_link
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TRIGGER audit_heads_are_never_removed BEFORE DELETE ON audit_heads
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- What an older version wrote would be in no chain.
UPDATE compatibility SET oldest = 130;
