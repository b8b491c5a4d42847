-- The same events by an operator of which the planner knows how rarely it is true: it took the former test for one that nearly every event passes,
-- and went through the trail.
DROP INDEX audit_by_administrator;
CREATE INDEX audit_by_administrator ON audit (at, seq) WHERE details ? 'administrator';
