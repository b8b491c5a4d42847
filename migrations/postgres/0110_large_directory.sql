-- What a directory of a hundred thousand people is read by.
-- Page after page of a tenant.
CREATE INDEX users_by_tenant ON users (tenant, id);
-- What has changed since.
CREATE INDEX users_by_change ON users (tenant, provisioner, updated_at) WHERE provisioner IS NOT NULL;
-- Who is known at a connection's provider by this name, whoever the issuer is.
CREATE INDEX users_by_subject ON users (tenant, connection, subject) WHERE subject IS NOT NULL;
