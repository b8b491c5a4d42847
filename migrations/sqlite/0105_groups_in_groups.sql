-- A group may be named as a member of another. It is told as such, and gives nobody a role: `user_id` is then the id of a group.
ALTER TABLE group_members ADD COLUMN is_group INTEGER NOT NULL DEFAULT 0;
