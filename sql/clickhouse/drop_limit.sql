-- drop_limit: a partition above this size is not dropped, 0 is no limit
SELECT toUInt64(value) AS size_bytes
FROM system.server_settings
WHERE name = 'max_partition_size_to_drop'
