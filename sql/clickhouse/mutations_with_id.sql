-- mutations_with_id: the tables with an unfinished mutation of this id, whoever made it
SELECT table
FROM system.mutations
WHERE database = currentDatabase() AND mutation_id = {id:String} AND NOT is_done
ORDER BY table
