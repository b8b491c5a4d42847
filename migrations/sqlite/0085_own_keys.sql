-- A key that a person made for themselves never does more than they may at the time.
ALTER TABLE programs ADD COLUMN within_owner INTEGER NOT NULL DEFAULT 0;
