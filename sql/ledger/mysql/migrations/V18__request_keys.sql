-- request_keys: what a request that may come twice has created; kept for a day
CREATE TABLE IF NOT EXISTS request_keys (
    request_key BINARY(32) NOT NULL PRIMARY KEY,
    request BINARY(32) NOT NULL,
    result TEXT NOT NULL,
    made_at DATETIME(6) NOT NULL,
    KEY request_keys_by_time (made_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
