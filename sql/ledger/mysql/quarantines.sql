-- quarantines: those that are not over, or the whole history, oldest first
SELECT cycle, step, partition_id, shard, table_name, kept_in, began_at, keep_until, state, n_rows, n_bytes, changed_at, changed_by
FROM quarantines WHERE ? OR state NOT IN ('undone', 'dropped') ORDER BY began_at, cycle, step, partition_id
