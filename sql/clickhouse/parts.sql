-- parts: what a mutation costs grows with the active parts of a table
SELECT
    table,
    count() AS parts,
    sum(rows) AS n_rows,
    sum(bytes_on_disk) AS size_bytes
FROM system.parts
WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)}
GROUP BY table
