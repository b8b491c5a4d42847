-- When the replica wrote the event down, which may be later than it happened. No part of the hash.
ALTER TABLE audit ADD COLUMN logged_at BIGINT;
