-- revisions: since when each revision holds, by the clock of the database
CREATE TABLE IF NOT EXISTS revisions (
    revision INTEGER NOT NULL PRIMARY KEY,
    since TEXT NOT NULL
) STRICT
