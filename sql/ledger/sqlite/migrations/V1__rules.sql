-- rules: what people set; a row is never removed or numbered again, so that it stays known what held when
CREATE TABLE IF NOT EXISTS rules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope_kind TEXT NOT NULL,
    organization TEXT,
    workspace TEXT,
    project TEXT,
    scope_key BLOB NOT NULL CHECK (length(scope_key) = 32),
    retention TEXT NOT NULL,
    apply_to_past INTEGER NOT NULL CHECK (apply_to_past IN (0, 1)),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    deactivated_at TEXT,
    deactivated_by TEXT,
    active_key BLOB GENERATED ALWAYS AS (CASE WHEN deactivated_at IS NULL THEN scope_key END) STORED UNIQUE,
    CHECK ((deactivated_at IS NULL) = (deactivated_by IS NULL)),
    CHECK (
        (scope_kind = 'organization' AND organization IS NOT NULL AND workspace IS NULL AND project IS NULL)
        OR (scope_kind = 'workspace' AND organization IS NULL AND workspace IS NOT NULL AND project IS NULL)
        OR (scope_kind = 'project' AND organization IS NULL AND workspace IS NOT NULL AND project IS NOT NULL)
    )
) STRICT
