-- What an incident is looked into by: one request, one address, and who became an administrator. `bench/README.md` says what each costs.
CREATE INDEX audit_by_request ON audit (request_id, at) WHERE request_id IS NOT NULL;
-- An address is known of the actor and stands first in what is known, as every version has written it. It is cut out of the text, which
-- cannot fail, whatever stands there.
CREATE INDEX audit_facts_by_source ON audit_facts (substr(facts, 12, instr(substr(facts, 12), '"') - 1))
    WHERE part = 'actor' AND substr(facts, 1, 11) = '{"source":"';
-- Where a version before the facts left it. There is hardly one.
CREATE INDEX audit_by_source ON audit (source, at) WHERE source IS NOT NULL;
-- Alarms that their kind does not tell.
CREATE INDEX audit_by_administrator ON audit (at)
    WHERE replace(CAST(details AS TEXT), '"administrator":', '') <> CAST(details AS TEXT);
