-- meta: the number that says whether rules or directory have changed
CREATE TABLE IF NOT EXISTS meta (
    id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    revision BIGINT UNSIGNED NOT NULL,
    CONSTRAINT meta_one_row CHECK (id = 1)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
