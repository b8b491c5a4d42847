-- What a directory of a hundred thousand people is read by.
-- Page after page of a tenant.
CREATE INDEX users_by_tenant ON users (tenant, id);
-- What has changed since.
CREATE INDEX users_by_change ON users (tenant, provisioner, updated_at) WHERE provisioner IS NOT NULL;
-- Who is known at a connection's provider by this name, whoever the issuer is.
CREATE INDEX users_by_subject ON users (tenant, connection, subject) WHERE subject IS NOT NULL;

-- How selective the indexes are where it matters: in a large house of one tenant and one provisioner. Without, SQLite takes two equal columns
-- for more selective than one unique one, and looks at everybody; gathered on the spot, plans would depend on when. Rows, then rows for each
-- value of the first column, of the first two, and so on (https://www.sqlite.org/fileformat2.html#stat1tab).
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1 WHERE tbl IN ('users', 'user_attributes', 'directory_groups', 'group_members');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('users', 'sqlite_autoindex_users_1', '100000 1'),
    ('users', 'users_by_name', '100000 100000 1'),
    ('users', 'users_by_tenant', '100000 100000 1'),
    ('users', 'users_by_email', '100000 100000 1'),
    ('users', 'users_by_link', '100000 100000 100000 100000 1'),
    ('users', 'users_by_subject', '100000 100000 100000 1'),
    ('users', 'users_by_provisioner', '100000 100000 100000 2 1'),
    ('users', 'users_by_change', '100000 100000 100000 2'),
    ('users', 'users_by_external_id', '100000 100000 100000 1'),
    ('user_attributes', 'user_attributes', '1000000 10 5 4 1'),
    ('user_attributes', 'user_attributes_by_value', '1000000 100000 80000 10'),
    ('directory_groups', 'sqlite_autoindex_directory_groups_1', '10000 1'),
    ('directory_groups', 'directory_groups_by_name', '10000 10000 1'),
    ('directory_groups', 'directory_groups_by_connection', '10000 10000 10000 2 1'),
    ('group_members', 'group_members', '200000 20 1'),
    ('group_members', 'group_members_by_user', '200000 2 1');
ANALYZE sqlite_schema;
