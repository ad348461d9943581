-- stages: how long the queries of a cycle took, by what they are for
SELECT
    toUInt64(sumIf(query_duration_ms, query_kind = 'Select' AND query LIKE '%AS ebbtide_undatable%')) AS census,
    toUInt64(sumIf(query_duration_ms, query_kind = 'Select' AND query LIKE '%AS ebbtide_due%')) AS counts,
    toUInt64(sumIf(query_duration_ms, query_kind = 'Select' AND query LIKE '%AS ebbtide_strays%')) AS proofs,
    toUInt64(sumIf(query_duration_ms, query_kind IN ('Delete', 'Alter'))) AS statements,
    toUInt64(toUInt64(sum(query_duration_ms)) - census - counts - proofs - statements) AS others
FROM system.query_log
WHERE type = 'QueryFinish' AND http_user_agent LIKE 'ebbtide%'
    AND event_time_microseconds >= fromUnixTimestamp64Micro({from_us:Int64})
    AND event_time_microseconds <= fromUnixTimestamp64Micro({to_us:Int64})
