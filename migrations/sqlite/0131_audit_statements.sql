-- What is said of the chains: numbered without gaps, each with the hash of the one before in its body, and signed (docs/audit.md).
CREATE TABLE audit_statements (
    number    INTEGER NOT NULL PRIMARY KEY,
    at        INTEGER NOT NULL,
    -- What is signed, byte for byte.
    body      TEXT NOT NULL,
    -- The name of the key.
    kid       TEXT NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- Locked by whoever adds a statement or removes events, before any head is.
CREATE TABLE audit_statement_counter (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    newest INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_statements_are_never_changed BEFORE UPDATE ON audit_statements
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_statements_are_never_removed BEFORE DELETE ON audit_statements
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_statements_are_never_replaced BEFORE INSERT ON audit_statements
WHEN EXISTS (SELECT 1 FROM audit_statements WHERE number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
