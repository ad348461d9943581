-- rules: what people set; a row is never removed or numbered again, so that it stays known what held when
CREATE TABLE IF NOT EXISTS rules (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    scope_kind VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    organization LONGTEXT,
    workspace LONGTEXT,
    project LONGTEXT,
    scope_key BINARY(32) NOT NULL,
    retention TEXT NOT NULL,
    apply_to_past BOOLEAN NOT NULL,
    created_at DATETIME(6) NOT NULL,
    created_by TEXT NOT NULL,
    deactivated_at DATETIME(6),
    deactivated_by TEXT,
    active_key BINARY(32) GENERATED ALWAYS AS (CASE WHEN deactivated_at IS NULL THEN scope_key END) STORED,
    UNIQUE KEY one_active_rule_per_scope (active_key),
    CONSTRAINT rules_deactivation CHECK ((deactivated_at IS NULL) = (deactivated_by IS NULL)),
    CONSTRAINT rules_scope CHECK (
        (scope_kind = 'organization' AND organization IS NOT NULL AND workspace IS NULL AND project IS NULL)
        OR (scope_kind = 'workspace' AND organization IS NULL AND workspace IS NOT NULL AND project IS NULL)
        OR (scope_kind = 'project' AND organization IS NULL AND workspace IS NOT NULL AND project IS NOT NULL)
    )
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
