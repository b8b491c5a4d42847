-- The number of the last migration that versions before it cannot live with. One that does more than add raises it to its own number.
CREATE TABLE compatibility (
    oldest BIGINT NOT NULL
);
INSERT INTO compatibility (oldest) VALUES (1);
