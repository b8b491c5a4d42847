-- The same events by a test that costs less for each that is written.
DROP INDEX audit_by_administrator;
CREATE INDEX audit_by_administrator ON audit (at) WHERE instr(details, '"administrator":') > 0;
