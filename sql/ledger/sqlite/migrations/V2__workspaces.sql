-- workspaces: the directory; found by a digest, since names are of any length and compared byte by byte
CREATE TABLE IF NOT EXISTS workspaces (
    workspace_key BLOB NOT NULL PRIMARY KEY CHECK (length(workspace_key) = 32),
    workspace TEXT NOT NULL,
    organization TEXT NOT NULL
) STRICT, WITHOUT ROWID
