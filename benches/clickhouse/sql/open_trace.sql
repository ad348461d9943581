-- open_trace: what the backend reads when somebody opens a trace
SELECT id, name, input, output
FROM {table:Identifier}
WHERE workspace_id = {workspace:String} AND project_id = {project:String}
    AND trace_id = {trace:String}
FORMAT Null
