-- comments: notes on some traces, and on some of their spans
INSERT INTO comments
    (id, entity_id, entity_type, project_id, workspace_id, text, created_at, last_updated_at,
     created_by, last_updated_by)
SELECT concat(substring(entity_id, 1, 19), '9', substring(entity_id, 21)), entity_id, entity_type,
    project_id, workspace_id, 'Look at this one.', start_time + INTERVAL 2 HOUR AS at, at,
    'dave', 'dave'
FROM
(
    SELECT id AS entity_id, 'trace' AS entity_type, project_id, workspace_id, start_time
    FROM traces
    WHERE sipHash64(id, 'noted') % 33 = 0
    UNION ALL
    SELECT id, 'span', project_id, workspace_id, start_time
    FROM spans
    WHERE sipHash64(id, 'noted') % 250 = 0
)
