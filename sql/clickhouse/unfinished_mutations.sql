-- unfinished_mutations: earlier statements of ours that still run, also those of a process that died
-- Rewrites of reclaim carry no marker: all of their kind count, since a delete waits behind any of them.
WITH
    ours AS
    (
        SELECT *
        FROM system.mutations
        WHERE database = currentDatabase()
          AND ({table:String} = '' OR table = {table:String})
          AND NOT is_done
          AND
          (
              position(command, concat('''', {prefix:String})) > 0
              OR match(command, '^[(]*APPLY (DELETED MASK|PATCHES)')
          )
    ),
    -- A part that a mutation went through has its number; without replicas all partitions count as one.
    finished AS
    (
        SELECT table, mutation_id, max(modification_time) AS at
        FROM
        (
            SELECT
                table,
                mutation_id,
                arrayJoin(arrayZip(block_numbers.partition_id, block_numbers.number)) AS block
            FROM ours
        ) AS blocks
        INNER JOIN
        (
            SELECT table, partition_id, toInt64(data_version) AS number, modification_time
            FROM system.parts
            WHERE active AND database = currentDatabase()
              AND ({table:String} = '' OR table = {table:String})
        ) AS parts ON parts.table = blocks.table AND parts.number = blocks.block.2
        WHERE blocks.block.1 IN ('', parts.partition_id)
        GROUP BY table, mutation_id
    )
SELECT
    mutation_id AS id,
    table,
    if(
        position(command, concat('''', {prefix:String})) > 0,
        extract(command, concat('''(', {prefix:String}, '[^'']*)''')),
        command
    ) AS marker,
    toInt64(toUnixTimestamp(create_time)) AS created_at_s,
    toUInt64(greatest(dateDiff('second', create_time, now()), 0)) AS age_s,
    -- Since its last finished part, or since it was registered.
    toUInt64(greatest(dateDiff('second', greatest(create_time, ifNull(at, create_time)), now()), 0)) AS idle_s,
    toUInt64(greatest(parts_to_do, 0)) AS parts_to_do,
    toBool(is_done) AS is_done,
    toBool(is_killed) AS is_killed,
    latest_fail_reason AS fail_reason
FROM ours
LEFT JOIN finished USING (table, mutation_id)
ORDER BY create_time, mutation_id
