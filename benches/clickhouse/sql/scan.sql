-- scan: a chart over all spans
SELECT type, count(), sum(total_estimated_cost), avg(duration)
FROM {table:Identifier}
GROUP BY type
FORMAT Null
