-- deleted_since: what was not counted after a step counts as deleted; what frees the disk of deleted rows deletes none
SELECT shard, table_name, sum(CASE WHEN rows_left IS NULL THEN rows_due WHEN rows_left < rows_due THEN rows_due - rows_left ELSE 0 END)
FROM steps WHERE intended_at >= ? AND method <> 'reclaim' GROUP BY shard, table_name ORDER BY shard, table_name
