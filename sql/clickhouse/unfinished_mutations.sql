-- unfinished_mutations: earlier statements of ours that still run, also those of a process that died
SELECT
    mutation_id AS id,
    table,
    extract(command, concat('''(', {prefix:String}, '[^'']*)''')) AS marker,
    toInt64(toUnixTimestamp(create_time)) AS created_at_s,
    toUInt64(greatest(parts_to_do, 0)) AS parts_to_do,
    toBool(is_done) AS is_done,
    toBool(is_killed) AS is_killed,
    latest_fail_reason AS fail_reason
FROM system.mutations
WHERE database = currentDatabase()
  AND table = {table:String}
  AND NOT is_done
  AND position(command, concat('''', {prefix:String})) > 0
ORDER BY create_time, mutation_id
