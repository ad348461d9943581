-- remains: what is known of all tables, by whichever instance
SELECT shard, table_name, looked_at, body FROM remains ORDER BY shard, table_name
