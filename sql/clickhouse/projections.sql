-- projections: a lightweight delete refuses tables that have one, unless a setting says what to do
SELECT table, name
FROM system.projections
WHERE database = currentDatabase() AND table IN {tables:Array(String)}
ORDER BY table, name
