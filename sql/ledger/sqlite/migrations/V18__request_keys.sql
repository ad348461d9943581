-- request_keys: what a request that may come twice has created; kept for a day
CREATE TABLE IF NOT EXISTS request_keys (
    request_key BLOB NOT NULL PRIMARY KEY CHECK (length(request_key) = 32),
    request BLOB NOT NULL CHECK (length(request) = 32),
    result TEXT NOT NULL,
    made_at TEXT NOT NULL
) STRICT, WITHOUT ROWID
