-- tables: what is in each table, for people to see before and after
SELECT name AS table, n_rows, n_workspaces, bytes_on_disk
FROM
(
    SELECT 1 AS place, 'traces' AS name, count() AS n_rows,
        uniqExact(workspace_id) AS n_workspaces
    FROM traces
    UNION ALL
    SELECT 2, 'spans', count(), uniqExact(workspace_id) FROM spans
    UNION ALL
    SELECT 3, 'feedback_scores', count(), uniqExact(workspace_id) FROM feedback_scores
    UNION ALL
    SELECT 4, 'authored_feedback_scores', count(), uniqExact(workspace_id)
    FROM authored_feedback_scores
    UNION ALL
    SELECT 5, 'comments', count(), uniqExact(workspace_id) FROM comments
    UNION ALL
    SELECT 6, 'experiment_items', count(), uniqExact(workspace_id) FROM experiment_items
) AS counted
LEFT JOIN
(
    SELECT table AS name, sum(bytes_on_disk) AS bytes_on_disk
    FROM system.parts
    WHERE database = currentDatabase() AND active
    GROUP BY table
) AS stored USING (name)
ORDER BY place
