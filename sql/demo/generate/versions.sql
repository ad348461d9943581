-- versions: every twentieth trace was updated later, so that it is there in two versions
INSERT INTO traces
    (id, workspace_id, project_id, name, start_time, end_time, input, output, metadata, tags,
     created_at, last_updated_at, created_by, last_updated_by, thread_id, source, environment)
SELECT id, workspace_id, project_id, name, start_time, end_time, input, output, metadata,
    arrayPushBack(tags, 'reviewed'), created_at, last_updated_at + INTERVAL 1 DAY, created_by,
    'reviewer', thread_id, source, environment
FROM traces
WHERE sipHash64(id, 'reviewed') % 20 = 0
