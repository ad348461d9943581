-- parts: active parts of {table} and the disk they use
SELECT count() AS n_parts, sum(bytes_on_disk) AS disk_bytes
FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active
