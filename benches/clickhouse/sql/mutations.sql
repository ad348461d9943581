-- mutations: how many were registered on {table}
SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = {table:String}
