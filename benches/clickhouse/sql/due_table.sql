-- due_table: the bounds of each workspace, as the source of a dictionary
CREATE TABLE {source:Identifier} (workspace_id String, from_id String, below_id String)
ENGINE = Memory
