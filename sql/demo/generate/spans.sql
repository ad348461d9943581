-- spans: one to nine calls for each trace, a root and its children
INSERT INTO spans
    (id, workspace_id, project_id, trace_id, parent_span_id, name, type, start_time, end_time,
     input, output, metadata, usage, created_at, last_updated_at, created_by, last_updated_by,
     model, provider, total_estimated_cost, source, environment)
WITH
    -- A span's id has the time of its trace's, and a hash that no trace has.
    n -> concat(substring(traces.id, 1, 15),
        substring(lower(hex(sipHash128(traces.id, n))) AS low, 1, 3), '-b', substring(low, 4, 3),
        '-', substring(low, 7, 12)) AS span_id
SELECT
    span_id(n),
    workspace_id,
    project_id,
    traces.id,
    if(n = 0, '', span_id(0)),
    ['request', 'retrieve', 'rerank', 'generate'][1 + least(n, 3)],
    ['general', 'tool', 'tool', 'llm'][1 + least(n, 3)] AS kind,
    start_time + toIntervalMillisecond(n) AS started,
    end_time,
    concat('{"step":', toString(n), '}'),
    '{"ok":true}',
    '',
    if(kind = 'llm', map('prompt_tokens', toInt32(300), 'completion_tokens', toInt32(80)),
        map()),
    started, started, 'sdk', 'sdk',
    if(kind = 'llm', 'gpt-4o-mini', ''),
    if(kind = 'llm', 'openai', ''),
    if(kind = 'llm', 0.0001, 0),
    'sdk',
    environment
FROM traces
ARRAY JOIN range(1 + sipHash64(traces.id) % 9) AS n
