-- keys: some traces for readers to open, of the workspaces in {workspaces}, or of all where that is empty
SELECT workspace_id AS workspace, toString(project_id) AS project, toString(trace_id) AS trace
FROM {table:Identifier}
WHERE parent_span_id = '' AND trace_id >= {from:String} AND trace_id < {below:String}
    AND (empty({workspaces:Array(String)}) OR workspace_id IN {workspaces:Array(String)})
ORDER BY sipHash64(trace_id)
LIMIT 200
