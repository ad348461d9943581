-- mutations_of_statement: finds our own mutation by the marker in its predicate, never by its time
SELECT
    mutation_id AS id,
    table,
    {marker:String} AS marker,
    toInt64(toUnixTimestamp(create_time)) AS created_at_s,
    toUInt64(greatest(dateDiff('second', create_time, now()), 0)) AS age_s,
    -- Not asked for here: what became of the statement is.
    toUInt64(0) AS idle_s,
    toUInt64(greatest(parts_to_do, 0)) AS parts_to_do,
    toBool(is_done) AS is_done,
    toBool(is_killed) AS is_killed,
    latest_fail_reason AS fail_reason
FROM system.mutations
WHERE database = currentDatabase()
  AND position(command, concat('''', {marker:String}, '''')) > 0
ORDER BY create_time, mutation_id
