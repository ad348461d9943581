-- step_costs: the newest steps that ended well, so many of each way to delete on a table, for what deleting costs
SELECT shard, table_name, method, n_parts, rows_due, duration_ms
FROM
(
    SELECT
        shard, table_name, method, n_parts, rows_due, duration_ms, intended_at,
        ROW_NUMBER() OVER (PARTITION BY shard, table_name, method ORDER BY intended_at DESC) AS place
    FROM steps WHERE intended_at >= ? AND verdict = 'verified' AND n_parts > 0
) AS newest
WHERE place <= ?
ORDER BY intended_at DESC
