-- partitions: what deletes and drops cost, and how large a partition this user may drop; patches wait in parts of their own
SELECT
    partition_id AS id,
    any(partition) AS value,
    count() AS n_parts,
    sum(rows) AS n_rows,
    sum(bytes_on_disk) AS n_bytes,
    toUInt64(getSetting('max_partition_size_to_drop')) AS most_bytes
FROM system.parts
WHERE active AND database = currentDatabase() AND table = {table:String} AND NOT startsWith(partition_id, 'patch-')
GROUP BY partition_id
ORDER BY partition_id
