-- pauses: what is not deleted from for now; a scope is paused at most once
CREATE TABLE IF NOT EXISTS pauses (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    scope_kind VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    scope_name LONGTEXT,
    scope_key BINARY(32) NOT NULL,
    reason LONGTEXT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    created_by TEXT NOT NULL,
    ended_at DATETIME(6),
    ended_by TEXT,
    active_key BINARY(32) GENERATED ALWAYS AS (CASE WHEN ended_at IS NULL THEN scope_key END) STORED,
    UNIQUE KEY one_pause_per_scope (active_key),
    CONSTRAINT pauses_end CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT pauses_kind CHECK (scope_kind IN ('everything', 'target', 'workspace')),
    CONSTRAINT pauses_scope CHECK ((scope_kind = 'everything') = (scope_name IS NULL))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
