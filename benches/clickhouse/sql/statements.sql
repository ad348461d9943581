-- statements: what changed {table}, and the processor time of all queries on it but the readers'
SELECT
    countIf(query_kind IN ('Delete', 'Alter')) AS n_statements,
    toUInt64(intDiv(sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']), 1000)) AS cpu_ms
FROM system.query_log
WHERE type = 'QueryFinish'
    AND has(tables, concat(currentDatabase(), '.', {table:String}))
    AND log_comment != 'reader'
    AND query_kind IN ('Delete', 'Alter', 'Select')
