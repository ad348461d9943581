-- running_queries: whether a statement whose answer was lost is still being worked on
SELECT count() AS n_running
FROM system.processes
WHERE query_id = {query_id:String}
