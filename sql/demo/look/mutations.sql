-- mutations: how many deletes ClickHouse was ever asked for in this database
SELECT count() FROM system.mutations WHERE database = currentDatabase()
