-- promises: which rows should go and which stay, reckoned row by row and apart from the compiler
WITH
    CAST({organizations:Array(Tuple(String, String))}, 'Map(String, String)') AS organization_of,
    CAST({organization_rules:Array(Tuple(String, UInt32))}, 'Map(String, UInt32)')
        AS by_organization,
    CAST({workspace_rules:Array(Tuple(String, UInt32))}, 'Map(String, UInt32)') AS by_workspace,
    CAST({project_rules:Array(Tuple(String, UInt32))}, 'Map(String, UInt32)') AS by_project,
    CAST({not_before_ms:Array(Tuple(String, Int64))}, 'Map(String, Int64)') AS not_before_ms,
    toStartOfDay(fromUnixTimestamp64Milli({now_ms:Int64}, 'UTC')) AS today,
    if(substring(aged_by, 15, 1) = '7', UUIDv7ToDateTime(toUUID(aged_by), 'UTC'), NULL) AS made_at,
    -- The narrowest rule; 0 days for unlimited, which is also the default of the config.
    organization_of[workspace_id] AS organization,
    concat(workspace_id, '/', project_id) AS project,
    multiIf(
        mapContains(by_project, project), by_project[project],
        mapContains(by_workspace, workspace_id), by_workspace[workspace_id],
        by_organization[organization]) AS days
SELECT
    table,
    multiIf(
        isNull(made_at), 'no_age',
        made_at > today + INTERVAL 2 DAY, 'future',
        days = 0, 'unlimited',
        made_at >= today - toIntervalDay(days), 'young',
        NOT mapContains(by_project, project)
            AND made_at < fromUnixTimestamp64Milli(not_before_ms[workspace_id], 'UTC'),
            'before_rule',
        in_experiment, 'in_experiment',
        'overdue') AS verdict,
    count() AS n_rows,
    -- The same sum before and after: these are the very same rows, not only as many.
    sum(row_hash) AS fingerprint
FROM
(
    SELECT 'comments' AS table, workspace_id, project_id, entity_id AS aged_by,
        (workspace_id, entity_id) IN (SELECT workspace_id, trace_id FROM experiment_items)
            AS in_experiment,
        sipHash64(workspace_id, project_id, id, last_updated_at) AS row_hash
    FROM comments
    UNION ALL
    SELECT 'authored_feedback_scores', workspace_id, project_id, entity_id,
        (workspace_id, entity_id) IN (SELECT workspace_id, trace_id FROM experiment_items),
        sipHash64(workspace_id, project_id, entity_id, author, name, last_updated_at)
    FROM authored_feedback_scores
    UNION ALL
    SELECT 'feedback_scores', workspace_id, project_id, entity_id,
        (workspace_id, entity_id) IN (SELECT workspace_id, trace_id FROM experiment_items),
        sipHash64(workspace_id, project_id, entity_id, name, last_updated_at)
    FROM feedback_scores
    UNION ALL
    SELECT 'spans', workspace_id, project_id, trace_id,
        (workspace_id, trace_id) IN (SELECT workspace_id, trace_id FROM experiment_items),
        sipHash64(workspace_id, project_id, id, last_updated_at)
    FROM spans
    UNION ALL
    SELECT 'traces', workspace_id, project_id, id,
        (workspace_id, id) IN (SELECT workspace_id, trace_id FROM experiment_items),
        sipHash64(workspace_id, project_id, id, last_updated_at)
    FROM traces
)
GROUP BY table, verdict
ORDER BY table, verdict
