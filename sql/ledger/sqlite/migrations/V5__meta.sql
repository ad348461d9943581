-- meta: the number that says whether rules or directory have changed
CREATE TABLE IF NOT EXISTS meta (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT
