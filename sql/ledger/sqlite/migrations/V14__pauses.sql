-- pauses: what is not deleted from for now; a scope is paused at most once
CREATE TABLE IF NOT EXISTS pauses (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope_kind TEXT NOT NULL CHECK (scope_kind IN ('everything', 'target', 'workspace')),
    scope_name TEXT,
    scope_key BLOB NOT NULL CHECK (length(scope_key) = 32),
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT,
    active_key BLOB GENERATED ALWAYS AS (CASE WHEN ended_at IS NULL THEN scope_key END) STORED UNIQUE,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK ((scope_kind = 'everything') = (scope_name IS NULL))
) STRICT
