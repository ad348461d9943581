-- settings: what gave rules their meaning as of which revision: default and named periods
CREATE TABLE IF NOT EXISTS settings (
    revision INTEGER NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    noted_at TEXT NOT NULL,
    noted_by TEXT NOT NULL
) STRICT
