-- authored_feedback_scores: what signed-in people thought of every tenth trace
INSERT INTO authored_feedback_scores
    (entity_id, entity_type, project_id, workspace_id, author, name, value, reason, source,
     created_at, last_updated_at, created_by, last_updated_by)
SELECT id, 'trace', project_id, workspace_id,
    ['alice', 'bob', 'carol'][1 + sipHash64(id, 'author') % 3] AS person,
    'helpful', sipHash64(id, 'helpful') % 2, '', 'ui',
    start_time + INTERVAL 1 HOUR AS at, at, person, person
FROM traces
WHERE sipHash64(id, 'authored') % 10 = 0
