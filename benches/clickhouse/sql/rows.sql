-- rows: how many {table} has, and none if it is not there
SELECT sum(rows) FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active
