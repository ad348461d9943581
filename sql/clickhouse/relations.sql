-- relations: every table and view that this user sees, with what says where its rows come from
SELECT
    database,
    name,
    toBool(database = currentDatabase()) AS is_here,
    toString(uuid) AS uuid,
    engine,
    engine_full,
    create_table_query AS ddl,
    as_select,
    toBool(has_own_data OR engine = 'Memory') AS holds_rows,
    arrayZip(dependencies_database, dependencies_table) AS feeds,
    arrayZip(loading_dependencies_database, loading_dependencies_table) AS loads_from
FROM system.tables
WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') AND NOT is_temporary
ORDER BY NOT is_here, database, name
