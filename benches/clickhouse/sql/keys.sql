-- keys: some traces of the last ten days, for readers to open
SELECT workspace_id AS workspace, toString(project_id) AS project, toString(trace_id) AS trace
FROM {table:Identifier}
WHERE parent_span_id = '' AND trace_id >= {from:String}
ORDER BY sipHash64(trace_id)
LIMIT 200
