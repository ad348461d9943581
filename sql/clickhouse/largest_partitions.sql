-- largest_partitions: of each partitioned table, the partition that is the largest
SELECT table, partition, sum(bytes_on_disk) AS size_bytes
FROM system.parts
WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)}
  AND partition_id != 'all'
GROUP BY table, partition
ORDER BY table, size_bytes DESC, partition
LIMIT 1 BY table
