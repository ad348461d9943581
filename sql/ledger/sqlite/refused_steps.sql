-- refused_steps: what the server refused and would refuse again is done in another way for a while
SELECT cycle, step, shard, table_name, method, shape, query_id, statement_digest, n_workspaces, rows_due, n_parts, predicate, bounds, intended_at, verdict, rows_left, error, duration_ms, finished_at
FROM steps WHERE intended_at >= ? AND verdict = 'failed' AND error LIKE ? || '%' ORDER BY intended_at DESC, cycle DESC, step DESC
