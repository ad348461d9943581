-- generate: the spans from {first} on, five a trace, in the order of time, alike in every run
INSERT INTO {table:Identifier}
    (id, workspace_id, project_id, trace_id, parent_span_id, name, type, start_time, end_time,
     input, output, usage, created_at, last_updated_at, created_by, last_updated_by,
     model, provider, total_estimated_cost, source, environment)
WITH
    number % 5 AS nth,
    intDiv(number, 5) AS trace,
    sipHash64(trace) AS hash,
    toUInt64({midnight_ms:UInt64} - {days:UInt64} * 86400000
        + intDiv(trace * 5 * {days:UInt64} * 86400000, {n_all:UInt64})) AS ms,
    fromUnixTimestamp64Milli(toInt64(ms)) AS at,
    leftPad(lower(hex(ms)), 12, '0') AS time,
    concat(substring(time, 1, 8), '-', substring(time, 9, 4)) AS head,
    -- A trace and its spans share the time of their ids; the rest is a hash.
    n -> concat('-7', substring(lower(hex(sipHash128(n))) AS low, 1, 3),
        '-b', substring(low, 4, 3), '-', substring(low, 7, 12)) AS tail
SELECT
    concat(head, tail(number)) AS id,
    concat('018f3a5c-0000-7000-8000-', leftPad(toString(hash % {workspaces:UInt64}), 12, '0'))
        AS workspace_id,
    concat('018f3a5c-0000-7000-9000-', leftPad(toString(hash % 3000), 12, '0')) AS project_id,
    concat(head, tail(trace + 1000000000000)) AS trace_id,
    if(nth = 0, '', concat(head, tail(number - nth))) AS parent_span_id,
    ['request', 'retrieve', 'rerank', 'generate', 'parse'][nth + 1] AS name,
    if(nth = 3, 'llm', 'tool') AS type,
    at AS start_time,
    at + toIntervalMillisecond(hash % 3000) AS end_time,
    concat('{"messages":[{"role":"user","content":"', repeat(hex(sipHash64(number, 2)), 4),
        ' please summarise the document that follows in one short paragraph',
        ' for a reader in a hurry"}]}') AS input,
    concat('{"choices":[{"role":"assistant","content":"', repeat(hex(sipHash64(number, 3)), 4),
        ' the document says that retention is easy to promise and hard to keep"}]}') AS output,
    if(nth = 3, map('prompt_tokens', toInt32(hash % 900), 'completion_tokens',
        toInt32(hash % 70)), map()) AS usage,
    at AS created_at,
    at AS last_updated_at,
    'sdk' AS created_by,
    'sdk' AS last_updated_by,
    if(nth = 3, 'gpt-4o-mini', '') AS model,
    if(nth = 3, 'openai', '') AS provider,
    if(nth = 3, 0.0001, 0) AS total_estimated_cost,
    'sdk' AS source,
    'default' AS environment
FROM numbers({first:UInt64}, {n:UInt64})
