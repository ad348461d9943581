-- plans: plans that are kept for review; the body is the last, so that a list need not read through it
CREATE TABLE IF NOT EXISTS plans (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    digest VARCHAR(128) NOT NULL,
    revision BIGINT UNSIGNED NOT NULL,
    n_due BIGINT UNSIGNED NOT NULL,
    created_at DATETIME(6) NOT NULL,
    created_by TEXT NOT NULL,
    status VARCHAR(12) NOT NULL,
    approved_at DATETIME(6),
    approved_by TEXT,
    body LONGTEXT NOT NULL,
    CONSTRAINT plans_status CHECK (status IN ('pending', 'approved', 'applied', 'stale')),
    CONSTRAINT plans_approval CHECK ((approved_at IS NULL) = (approved_by IS NULL))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
