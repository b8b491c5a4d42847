-- What is asked of the trail most: what somebody did, what was done to somebody or something, one kind of event, one tenant; each in the order
-- of time. `bench/README.md` says what each costs and what it is worth. The number is part of them so that places are found without the events.
CREATE INDEX audit_by_actor ON audit (actor, at, seq) WHERE actor IS NOT NULL;
CREATE INDEX audit_by_target ON audit (target, at, seq) WHERE target IS NOT NULL;
CREATE INDEX audit_by_kind ON audit (kind, at, seq);
CREATE INDEX audit_by_tenant ON audit (tenant, at, seq);
