-- cycles: what was decided when, and from which rules
CREATE TABLE IF NOT EXISTS cycles (
    id TEXT NOT NULL PRIMARY KEY,
    started_at TEXT NOT NULL,
    as_of TEXT NOT NULL,
    rules_digest TEXT NOT NULL,
    revision INTEGER NOT NULL,
    ended_at TEXT,
    status TEXT,
    CHECK ((ended_at IS NULL) = (status IS NULL))
) STRICT
