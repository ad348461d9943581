-- remains: what was seen last of deleted rows that are still on disk; not part of the record, and overwritten
CREATE TABLE IF NOT EXISTS remains (
    shard VARCHAR(400) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    looked_at DATETIME(6) NOT NULL,
    body LONGTEXT NOT NULL,
    PRIMARY KEY (shard, table_name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
