-- step_costs: the newest steps that ended well, for what deleting costs
SELECT shard, table_name, method, n_parts, rows_due, duration_ms
FROM steps WHERE intended_at >= ? AND verdict = 'verified' AND n_parts > 0 ORDER BY intended_at DESC LIMIT 1000
