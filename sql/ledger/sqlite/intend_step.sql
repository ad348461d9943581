-- intend_step: before the statement is sent, and only while the rules are those the cycle was planned from; a second intent for the same step is refused by the key
INSERT INTO steps (cycle, step, shard, table_name, method, shape, query_id, statement_digest, n_workspaces, rows_due, intended_at)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
FROM meta
WHERE meta.id = 1 AND NOT EXISTS (SELECT 1 FROM cycles WHERE cycles.id = ? AND cycles.revision <> meta.revision)
