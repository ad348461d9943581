-- columns: the type of every column; bounds are compiled for the type that the server has
SELECT table, name, type AS type_name
FROM system.columns
WHERE database = currentDatabase() AND table IN {tables:Array(String)}
ORDER BY table, position
