-- steps: written before a statement is sent and completed after it; a step without verdict means a crash
CREATE TABLE IF NOT EXISTS steps (
    cycle VARCHAR(64) NOT NULL,
    step INT UNSIGNED NOT NULL,
    shard TEXT NOT NULL,
    table_name TEXT NOT NULL,
    method VARCHAR(32) NOT NULL,
    shape VARCHAR(32) NOT NULL,
    query_id TEXT NOT NULL,
    statement_digest VARCHAR(128) NOT NULL,
    n_workspaces BIGINT UNSIGNED NOT NULL,
    rows_due BIGINT UNSIGNED NOT NULL,
    intended_at DATETIME(6) NOT NULL,
    verdict VARCHAR(32),
    rows_left BIGINT UNSIGNED,
    error LONGTEXT,
    finished_at DATETIME(6),
    PRIMARY KEY (cycle, step),
    CONSTRAINT steps_cycle FOREIGN KEY (cycle) REFERENCES cycles (id),
    CONSTRAINT steps_outcome CHECK ((verdict IS NULL) = (finished_at IS NULL))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
