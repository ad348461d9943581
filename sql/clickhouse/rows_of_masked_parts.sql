-- rows_of_masked_parts: rows that are not masked in the parts where some are; no other part is opened
WITH
    placed AS
    (
        SELECT
            name,
            startsWith(partition_id, 'patch-') AS is_patch,
            if(is_patch, replaceRegexpOne(partition_id, '^patch-[^-]*-', ''), partition_id) AS partition,
            has_lightweight_delete
        FROM system.parts
        WHERE active AND database = currentDatabase() AND table = {name:String}
    )
SELECT count() AS n_rows
FROM {name:Identifier}
WHERE _part IN
(
    SELECT name
    FROM placed
    WHERE has_lightweight_delete OR partition IN (SELECT partition FROM placed WHERE is_patch)
)
