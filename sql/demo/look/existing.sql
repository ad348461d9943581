-- existing: which tables of the sample are there already, and whether any holds rows
SELECT count() AS n_tables, countIf(coalesce(total_rows, 0) > 0) AS n_filled
FROM system.tables
WHERE database = currentDatabase()
    AND name IN ('traces', 'spans', 'feedback_scores', 'authored_feedback_scores', 'comments',
        'experiment_items')
