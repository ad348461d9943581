-- tables_with_columns: tables that have a column of one of these names
SELECT DISTINCT table
FROM system.columns
WHERE database = currentDatabase() AND name IN {columns:Array(String)}
ORDER BY table
