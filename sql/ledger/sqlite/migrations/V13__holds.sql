-- holds: what must not be deleted, whatever the rules say; a row is never removed
CREATE TABLE IF NOT EXISTS holds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    organization TEXT,
    workspace TEXT,
    project TEXT,
    range_from TEXT,
    range_until TEXT,
    reason TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    released_at TEXT,
    released_by TEXT,
    CHECK ((released_at IS NULL) = (released_by IS NULL)),
    CHECK (
        (organization IS NOT NULL AND workspace IS NULL AND project IS NULL)
        OR (organization IS NULL AND workspace IS NOT NULL)
    )
) STRICT
