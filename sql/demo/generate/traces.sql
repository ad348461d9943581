-- traces: requests of all workspaces over 500 days, more of them lately; a few workspaces are large
INSERT INTO traces
    (id, workspace_id, project_id, name, start_time, end_time, input, output, metadata, tags,
     created_at, last_updated_at, created_by, last_updated_by, thread_id, source, environment)
WITH
    -- A number in [0, 1) that is the same in every run.
    purpose -> sipHash64(number, purpose) / 18446744073709551616. AS share,
    -- The text of an id: 48 bits of time, then bits of a hash around version and variant.
    (bits_48, version, bits) -> concat(
        substring(lower(leftPad(hex(toUInt64(bits_48)), 12, '0')) AS high, 1, 8), '-',
        substring(high, 9, 4), '-', version, substring(lower(hex(bits)) AS low, 1, 3), '-a',
        substring(low, 4, 3), '-', substring(low, 7, 12)) AS id_text,
    281474976710656 AS two_to_48,
    -- Some ids come from a client with random ids (they have no age), a few from a wrong clock.
    number % 1000 = 7 AS is_random,
    number % 5000 = 11 AS is_future,
    {now_ms:Int64} - toInt64(pow(share('age'), 3) * 500 * 86400000) AS made_ms,
    multiIf(is_random, toInt64(sipHash64(number, 'id') % two_to_48),
        is_future, {now_ms:Int64} + 40 * 86400000, made_ms) AS id_ms,
    -- The smaller the rank the larger the workspace; 77 spreads the ranks over all names.
    toUInt32(pow(share('workspace'), 2.5) * length({workspaces:Array(String)})) AS rank,
    {workspaces:Array(String)}[1 + rank * 77 % length({workspaces:Array(String)})] AS workspace,
    toUInt8(sipHash64(number, 'project') % (1 + sipHash64(workspace) % 4)) AS project
SELECT
    id_text(id_ms, if(is_random, '4', '7'), sipHash128(number)),
    workspace,
    id_text(sipHash64(workspace, project) % two_to_48, '4', sipHash128(workspace, project)),
    ['answer', 'summarize', 'search', 'classify'][1 + number % 4],
    fromUnixTimestamp64Milli(made_ms, 'UTC') AS started,
    started + toIntervalMillisecond(200 + sipHash64(number, 'time') % 4000),
    concat('{"question":"How do I change plan ', toString(number % 97), '?"}'),
    concat('{"answer":"Open settings, page ', toString(number % 13), '."}'),
    '{}',
    [['production'], ['staging'], []][1 + number % 3],
    started, started, 'sdk', 'sdk',
    concat('thread-', toString(intDiv(number, 5))),
    'sdk',
    ['production', 'staging'][1 + number % 2]
FROM numbers_mt({n_traces:UInt64})
