-- settings: what gave rules their meaning as of which revision: default and named periods
CREATE TABLE IF NOT EXISTS settings (
    revision BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    body LONGTEXT NOT NULL,
    noted_at DATETIME(6) NOT NULL,
    noted_by TEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
