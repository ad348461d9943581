-- partitions: what deletes and drops cost, and how large a partition this user may drop; patches wait in parts of their own, patch-<32 digits>-<partition>
SELECT
    if(startsWith(partition_id, 'patch-'), substring(partition_id, 40), partition_id) AS id,
    anyIf(partition, partition_id = id) AS value,
    countIf(partition_id = id) AS n_parts,
    countIf(partition_id != id) AS n_patches,
    sumIf(rows, partition_id = id) AS n_rows,
    sumIf(bytes_on_disk, partition_id = id) AS n_bytes,
    toUInt64(getSetting('max_partition_size_to_drop')) AS most_bytes,
    ifNull((SELECT any(changed) FROM system.settings WHERE name = 'max_partition_size_to_drop'), 0) AS is_of_user
FROM system.parts
WHERE active AND database = currentDatabase() AND table = {table:String}
GROUP BY id
HAVING n_parts > 0
ORDER BY id
