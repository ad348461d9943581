-- quarantines: partitions that left their table and can be brought back for a while; a row is never removed
CREATE TABLE IF NOT EXISTS quarantines (
    cycle TEXT NOT NULL,
    step INTEGER NOT NULL,
    partition_id TEXT NOT NULL,
    shard TEXT NOT NULL,
    table_name TEXT NOT NULL,
    kept_in TEXT NOT NULL,
    began_at TEXT NOT NULL,
    keep_until TEXT NOT NULL,
    state TEXT NOT NULL,
    n_rows INTEGER NOT NULL,
    n_bytes INTEGER NOT NULL,
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (cycle, step, partition_id)
) STRICT, WITHOUT ROWID
