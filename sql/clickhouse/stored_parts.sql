-- stored_parts: the active parts of some partitions, the smallest first, with patches that wait for them, patch-<32 digits>-<partition>
SELECT name, rows AS n_rows, toUnixTimestamp(modification_time) AS modified_s
FROM system.parts
WHERE active AND database = currentDatabase() AND table = {table:String}
    AND if(startsWith(partition_id, 'patch-'), substring(partition_id, 40), partition_id) IN {partitions:Array(String)}
-- A limit of size refuses the largest: the others are gone by then.
ORDER BY bytes_on_disk, name
