-- masked_rows: rows that are deleted and still on disk; only parts with a mask are opened, and those that wait for a patch
WITH
    placed AS
    (
        SELECT
            name,
            startsWith(partition_id, 'patch-') AS is_patch,
            if(is_patch, replaceRegexpOne(partition_id, '^patch-[^-]*-', ''), partition_id) AS partition,
            has_lightweight_delete,
            rows,
            bytes_on_disk,
            -- A mutation keeps them; a merge, which drops dead rows, does not.
            concat(toString(min_block_number), '_', toString(max_block_number), '_', toString(level)) AS stem,
            modification_time
        FROM system.parts
        WHERE active AND database = currentDatabase() AND table = {name:String}
    )
SELECT
    dead.partition AS partition,
    sum(dead.n_dead) AS n_dead,
    -- A part that was merged meanwhile has no size here, and none to be rewritten any more.
    toUInt64(sum(if(parts.rows = 0, 0, parts.bytes_on_disk * (dead.n_dead / parts.rows)))) AS dead_bytes,
    sum(parts.bytes_on_disk) AS rewrite_bytes,
    -- Any mutation renews the time of a part, so its mask may be older; one that waits for a patch has none.
    groupArrayIf((parts.stem, if(parts.has_lightweight_delete, toUInt64(greatest(dateDiff('second', parts.modification_time, now()), 0)), NULL)), parts.rows > 0) AS masks
FROM
(
    SELECT toString(_partition_id) AS partition, toString(_part) AS part, count() AS n_dead
    FROM {name:Identifier}
    WHERE NOT _row_exists
      AND ({partition:String} = '' OR _partition_id = {partition:String})
      AND _part IN
      (
          SELECT name
          FROM placed
          WHERE has_lightweight_delete OR partition IN (SELECT partition FROM placed WHERE is_patch)
      )
    GROUP BY partition, part
) AS dead
LEFT JOIN placed AS parts ON parts.name = dead.part
GROUP BY partition
ORDER BY partition
