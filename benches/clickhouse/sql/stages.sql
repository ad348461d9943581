-- stages: how long the queries of a cycle took, by what they are for
SELECT
    toUInt64(sumIf(query_duration_ms, query_kind = 'Select' AND query LIKE '%AS ebbtide_undatable%')) AS census_ms,
    toUInt64(sumIf(query_duration_ms, query_kind = 'Select' AND query LIKE '%AS ebbtide_due%')) AS counts_ms,
    toUInt64(sumIf(query_duration_ms, query_kind = 'Select' AND query LIKE '%AS ebbtide_strays%')) AS proofs_ms,
    toUInt64(sumIf(query_duration_ms, query_kind IN ('Delete', 'Alter'))) AS statements_ms,
    toUInt64(sum(query_duration_ms)) - census_ms - counts_ms - proofs_ms - statements_ms AS others_ms
FROM system.query_log
WHERE type = 'QueryFinish' AND http_user_agent LIKE 'ebbtide%'
    AND event_time_microseconds >= fromUnixTimestamp64Micro({from_us:Int64})
    AND event_time_microseconds <= fromUnixTimestamp64Micro({to_us:Int64})
