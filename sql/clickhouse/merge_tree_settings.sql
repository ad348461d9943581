-- merge_tree_settings: what holds for tables that do not say otherwise themselves
SELECT name, value
FROM system.merge_tree_settings
WHERE name IN {names:Array(String)}
ORDER BY name
