-- approvals: which revisions a person has looked at
CREATE TABLE IF NOT EXISTS approvals (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    revision BIGINT UNSIGNED NOT NULL,
    plan_digest VARCHAR(128) NOT NULL,
    approved_at DATETIME(6) NOT NULL,
    approved_by TEXT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin
