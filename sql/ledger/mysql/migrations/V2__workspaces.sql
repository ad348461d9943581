-- workspaces: the directory; found by a digest, since names are of any length and compared byte by byte
CREATE TABLE IF NOT EXISTS workspaces (
    workspace_key BINARY(32) NOT NULL PRIMARY KEY,
    workspace LONGTEXT NOT NULL,
    organization LONGTEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
