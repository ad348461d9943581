-- due_dictionary: the bounds of each workspace, to be looked up by the predicate of a delete
CREATE DICTIONARY {dictionary:Identifier} (workspace_id String, from_id String, below_id String)
PRIMARY KEY workspace_id
SOURCE(CLICKHOUSE(DB 'bench' TABLE 'due'))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(0)
