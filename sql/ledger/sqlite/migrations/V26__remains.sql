-- remains: what was seen last of deleted rows that are still on disk; not part of the record, and overwritten
CREATE TABLE IF NOT EXISTS remains (
    shard TEXT NOT NULL,
    table_name TEXT NOT NULL,
    looked_at TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (shard, table_name)
) STRICT
