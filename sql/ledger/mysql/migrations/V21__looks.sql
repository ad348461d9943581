-- looks: what was seen last of each share of the workspaces; not part of the record, and overwritten
CREATE TABLE IF NOT EXISTS looks (
    range_from BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    range_to BIGINT UNSIGNED NOT NULL,
    looked_at DATETIME(6) NOT NULL,
    terms VARCHAR(64) NOT NULL,
    body LONGTEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
