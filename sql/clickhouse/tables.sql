-- tables: engine, keys, what the server says where the table does not, and what is fed from each table (deletes do not reach it)
SELECT
    database,
    name,
    engine,
    engine_full,
    (
        SELECT groupArray((name, value))
        FROM system.merge_tree_settings
        WHERE name IN {settings:Array(String)}
    ) AS defaults,
    sorting_key,
    partition_key,
    arrayMap(
        (dependent_database, dependent_table) -> concat(dependent_database, '.', dependent_table),
        dependencies_database, dependencies_table
    ) AS dependents
FROM system.tables
WHERE database = currentDatabase() AND name IN {tables:Array(String)}
ORDER BY name
