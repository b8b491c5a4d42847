-- What is said of the chains: numbered without gaps, each with the hash of the one before in its body, and signed (docs/audit.md).
CREATE TABLE audit_statements (
    number    BIGINT NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    -- What is signed, byte for byte.
    body      TEXT COLLATE "C" NOT NULL,
    -- The name of the key.
    kid       TEXT COLLATE "C" NOT NULL,
    signature BYTEA NOT NULL
);

-- Locked by whoever adds a statement or removes events, before any head is.
CREATE TABLE audit_statement_counter (
    one    BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    newest BIGINT NOT NULL
);

CREATE FUNCTION refuse_change_of_audit_statements() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$;
CREATE TRIGGER audit_statements_are_never_changed BEFORE UPDATE OR DELETE ON audit_statements FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_statements();
CREATE TRIGGER audit_statements_are_never_emptied BEFORE TRUNCATE ON audit_statements FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_statements();
