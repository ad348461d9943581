-- mutation_backlog: mutations of anybody that are not done, since the server slows down at too many
SELECT table, count() AS n_unfinished
FROM system.mutations
WHERE database = currentDatabase() AND table IN {tables:Array(String)} AND NOT is_done
GROUP BY table
ORDER BY table
