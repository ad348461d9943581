-- insert_quarantine: before the partition is moved
INSERT INTO quarantines (cycle, step, partition_id, shard, table_name, kept_in, began_at, keep_until, state, n_rows, n_bytes, changed_at, changed_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
