-- hidden_rows: partitions of whose rows this user sees fewer than are stored, masked ones included; part by part, so that no row that comes meanwhile makes up for one that is hidden
SELECT
    stored.partition_id AS partition,
    toUInt64(sum(stored.rows)) AS n_stored,
    toUInt64(sum(ifNull(seen.ebbtide_rows, 0))) AS n_seen
FROM
(
    SELECT partition_id, name, rows
    FROM system.parts
    WHERE active AND database = currentDatabase() AND table = {table:String} AND partition_id IN {partitions:Array(String)}
) AS stored
LEFT JOIN
(
    SELECT toString(_part) AS ebbtide_part, count() AS ebbtide_rows
    FROM {table:Identifier}
    WHERE _partition_id IN {partitions:Array(String)}
    GROUP BY ebbtide_part
) AS seen ON seen.ebbtide_part = stored.name
GROUP BY partition
HAVING n_seen != n_stored
ORDER BY partition
SETTINGS apply_deleted_mask = 0
