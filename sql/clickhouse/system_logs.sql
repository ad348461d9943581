-- system_logs: the server's own logs, and those that an upgrade renamed, grow for ever without a TTL
SELECT name, engine_full, ifNull(total_bytes, 0) AS size_bytes
FROM system.tables
WHERE database = 'system' AND engine LIKE '%MergeTree' AND match(name, '_log(_[0-9]+)?$')
ORDER BY size_bytes DESC, name
