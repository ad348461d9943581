-- feedback_scores: automatic scores for every fourth trace
INSERT INTO feedback_scores
    (entity_id, entity_type, project_id, workspace_id, name, value, source, created_at,
     last_updated_at, created_by, last_updated_by)
SELECT id, 'trace', project_id, workspace_id,
    ['hallucination', 'relevance'][1 + sipHash64(id, 'score') % 2],
    (sipHash64(id, 'value') % 100) / 100,
    'online_scoring', end_time, end_time, 'evaluator', 'evaluator'
FROM traces
WHERE sipHash64(id, 'scored') % 4 = 0
