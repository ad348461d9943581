-- audit: the hash chain; entries are only added, and pruned from the oldest on
CREATE TABLE IF NOT EXISTS audit (
    seq BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    recorded_at DATETIME(6) NOT NULL,
    actor TEXT NOT NULL,
    kind VARCHAR(32) NOT NULL,
    body LONGTEXT NOT NULL,
    previous VARCHAR(64) NOT NULL,
    hash VARCHAR(64) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
