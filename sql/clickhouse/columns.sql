-- columns: the type of every column, for which bounds are compiled, and what nobody can insert
SELECT
    table,
    name,
    type AS type_name,
    if(default_kind IN ('MATERIALIZED', 'ALIAS'), default_expression, '') AS made_by
FROM system.columns
WHERE database = currentDatabase() AND table IN {tables:Array(String)}
ORDER BY table, position
