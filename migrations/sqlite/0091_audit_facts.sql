-- What an event tells of people stands apart from the trail, so that it can be removed with them while the trail stays as it is: of each part the
-- event's row keeps a digest, which proves the part as long as it is there and says nothing once it is gone.
ALTER TABLE audit ADD COLUMN actor_digest BLOB;
ALTER TABLE audit ADD COLUMN target_digest BLOB;

CREATE TABLE audit_facts (
    seq    INTEGER NOT NULL,
    -- `actor`: of whoever did it; `target`: of what it was done to.
    part   TEXT NOT NULL,
    -- The id of the person whom it tells of, where that is known.
    person TEXT,
    -- What the actor or the target was called, where that is no id.
    name   TEXT,
    facts  TEXT NOT NULL,
    -- So that nobody finds a fact that is gone by trying digests.
    salt   BLOB NOT NULL,
    PRIMARY KEY (seq, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_facts_by_person ON audit_facts (person) WHERE person IS NOT NULL;
CREATE INDEX audit_facts_by_name ON audit_facts (part, name) WHERE name IS NOT NULL;

-- What was recorded before moves there, too.
DROP TRIGGER audit_is_never_changed;
INSERT INTO audit_facts (seq, part, person, name, facts, salt)
    SELECT seq, 'actor', CASE WHEN length(actor) = 36 THEN actor END, CASE WHEN instr(actor, '@') > 0 THEN actor END,
        json_object('source', source, 'user_agent', user_agent), randomblob(16)
    FROM audit WHERE source IS NOT NULL OR user_agent IS NOT NULL OR instr(actor, '@') > 0;
INSERT INTO audit_facts (seq, part, person, name, facts, salt)
    SELECT seq, 'target', CASE WHEN length(target) = 36 THEN target WHEN length(actor) = 36 THEN actor END,
        CASE WHEN instr(target, '@') > 0 THEN target END, json_object('details', json(details)), randomblob(16)
    FROM audit WHERE details <> '{}' OR instr(target, '@') > 0;
UPDATE audit SET source = NULL, user_agent = NULL, details = '{}', actor = CASE WHEN instr(actor, '@') > 0 THEN NULL ELSE actor END,
    target = CASE WHEN instr(target, '@') > 0 THEN NULL ELSE target END;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
