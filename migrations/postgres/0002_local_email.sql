-- Local accounts are also found by their e-mail address.
CREATE INDEX users_local_by_email ON users (tenant, lower(email)) WHERE password_hash IS NOT NULL;
