-- audit: the hash chain; entries are only added, and pruned from the oldest on
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER NOT NULL PRIMARY KEY,
    recorded_at TEXT NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT
