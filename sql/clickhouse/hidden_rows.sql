-- hidden_rows: how many rows partitions hold as they are stored, and how many of them this user sees, masked ones included; part by part, so that a row that comes meanwhile makes up for none that is hidden
SELECT
    toUInt64(sum(stored.rows)) AS n_stored,
    toUInt64(sum(ifNull(seen.ebbtide_rows, 0))) AS n_seen
FROM
(
    SELECT name, rows
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
SETTINGS apply_deleted_mask = 0
