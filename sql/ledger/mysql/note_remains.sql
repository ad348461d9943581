-- note_remains: what a table of a shard was seen to hold of deleted rows, in the place of what was seen before
REPLACE INTO remains (shard, table_name, looked_at, body) VALUES (?, ?, ?, ?)
