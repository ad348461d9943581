-- unsettled_steps: what holders of earlier leases sent, or were about to, and never spoke of again
SELECT cycle, step, shard, table_name, method, shape, query_id, statement_digest, n_workspaces, rows_due, predicate, bounds, intended_at, verdict, rows_left, error, duration_ms, finished_at
FROM steps JOIN cycles ON cycles.id = steps.cycle
WHERE intended_at >= ? AND verdict IS NULL AND lease_token < ? ORDER BY intended_at, cycle, step
