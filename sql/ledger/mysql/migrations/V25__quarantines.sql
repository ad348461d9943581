-- quarantines: partitions that left their table and can be brought back for a while; a row is never removed
CREATE TABLE IF NOT EXISTS quarantines (
    cycle VARCHAR(64) NOT NULL,
    step INT UNSIGNED NOT NULL,
    partition_id VARCHAR(255) NOT NULL,
    shard TEXT NOT NULL,
    table_name TEXT NOT NULL,
    kept_in TEXT NOT NULL,
    began_at DATETIME(6) NOT NULL,
    keep_until DATETIME(6) NOT NULL,
    state VARCHAR(32) NOT NULL,
    n_rows BIGINT UNSIGNED NOT NULL,
    n_bytes BIGINT UNSIGNED NOT NULL,
    changed_at DATETIME(6) NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (cycle, step, partition_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
