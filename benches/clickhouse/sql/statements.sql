-- statements: what changed {table}, and the processor time of readers from {from_us} to {to_us}
SELECT
    countIf(query_kind IN ('Delete', 'Alter')) AS n_statements,
    toUInt64(intDiv(sumIf(ProfileEvents['OSCPUVirtualTimeMicroseconds'],
        log_comment = 'reader' AND toUnixTimestamp64Micro(event_time_microseconds)
            BETWEEN {from_us:Int64} AND {to_us:Int64}), 1000)) AS reader_ms
FROM system.query_log
WHERE type = 'QueryFinish'
    AND has(tables, concat(currentDatabase(), '.', {table:String}))
