-- looks: what was seen last of each share of the workspaces; not part of the record, and overwritten
CREATE TABLE IF NOT EXISTS looks (
    range_from INTEGER NOT NULL PRIMARY KEY,
    range_to INTEGER NOT NULL,
    looked_at TEXT NOT NULL,
    terms TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT
