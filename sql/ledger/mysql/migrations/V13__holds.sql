-- holds: what must not be deleted, whatever the rules say; a row is never removed
CREATE TABLE IF NOT EXISTS holds (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    organization LONGTEXT,
    workspace LONGTEXT,
    project LONGTEXT,
    range_from DATETIME(6),
    range_until DATETIME(6),
    reason LONGTEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    created_by TEXT NOT NULL,
    released_at DATETIME(6),
    released_by TEXT,
    CONSTRAINT holds_release CHECK ((released_at IS NULL) = (released_by IS NULL)),
    CONSTRAINT holds_scope CHECK (
        (organization IS NOT NULL AND workspace IS NULL AND project IS NULL)
        OR (organization IS NULL AND workspace IS NOT NULL)
    )
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
