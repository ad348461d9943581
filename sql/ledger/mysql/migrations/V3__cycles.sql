-- cycles: what was decided when, and from which rules
CREATE TABLE IF NOT EXISTS cycles (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    started_at DATETIME(6) NOT NULL,
    as_of DATETIME(6) NOT NULL,
    rules_digest VARCHAR(128) NOT NULL,
    revision BIGINT UNSIGNED NOT NULL,
    ended_at DATETIME(6),
    status VARCHAR(32),
    KEY newest (started_at, id),
    CONSTRAINT cycles_end CHECK ((ended_at IS NULL) = (status IS NULL))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
