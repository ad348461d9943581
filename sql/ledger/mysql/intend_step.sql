-- intend_step: before the statement is sent; a second intent for the same step is refused by the key
INSERT INTO steps (cycle, step, shard, table_name, method, shape, query_id, statement_digest, n_workspaces, rows_due, n_parts, predicate, bounds, intended_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
