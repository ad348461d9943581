-- steps: written before a statement is sent and completed after it; a step without verdict means a crash
CREATE TABLE IF NOT EXISTS steps (
    cycle TEXT NOT NULL REFERENCES cycles (id),
    step INTEGER NOT NULL,
    shard TEXT NOT NULL,
    table_name TEXT NOT NULL,
    method TEXT NOT NULL,
    shape TEXT NOT NULL,
    query_id TEXT NOT NULL,
    statement_digest TEXT NOT NULL,
    n_workspaces INTEGER NOT NULL,
    rows_due INTEGER NOT NULL,
    intended_at TEXT NOT NULL,
    verdict TEXT,
    rows_left INTEGER,
    error TEXT,
    finished_at TEXT,
    PRIMARY KEY (cycle, step),
    CHECK ((verdict IS NULL) = (finished_at IS NULL))
) STRICT, WITHOUT ROWID
