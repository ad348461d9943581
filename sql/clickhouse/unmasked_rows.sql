-- unmasked_rows: rows of the parts in which nothing is masked, from what the server knows of parts alone, and how many parts there are besides
WITH
    placed AS
    (
        SELECT
            startsWith(partition_id, 'patch-') AS is_patch,
            -- A patch part waits in a partition of its own: `patch-<digest>-<partition>`.
            if(is_patch, replaceRegexpOne(partition_id, '^patch-[^-]*-', ''), partition_id) AS partition,
            has_lightweight_delete,
            rows
        FROM system.parts
        WHERE active AND database = currentDatabase() AND table = {table:String}
    ),
    data AS
    (
        SELECT
            rows,
            has_lightweight_delete OR partition IN (SELECT partition FROM placed WHERE is_patch) AS is_masked
        FROM placed
        WHERE NOT is_patch
    )
SELECT
    sumIf(rows, NOT is_masked) AS n_rows,
    countIf(is_masked) AS n_masked_parts
FROM data
