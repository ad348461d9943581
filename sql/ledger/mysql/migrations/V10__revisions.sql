-- revisions: since when each revision holds, by the clock of the database
CREATE TABLE IF NOT EXISTS revisions (
    revision BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    since DATETIME(6) NOT NULL,
    KEY revisions_by_time (since)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
