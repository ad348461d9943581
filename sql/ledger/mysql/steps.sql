-- steps: in the order in which they were sent
SELECT cycle, step, shard, table_name, method, shape, query_id, statement_digest, n_workspaces, rows_due, n_parts, predicate, bounds, intended_at, verdict, rows_left, error, duration_ms, finished_at
FROM steps WHERE cycle = ? ORDER BY step
