-- approvals: which revisions a person has looked at
CREATE TABLE IF NOT EXISTS approvals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    revision INTEGER NOT NULL,
    plan_digest TEXT NOT NULL,
    approved_at TEXT NOT NULL,
    approved_by TEXT NOT NULL
) STRICT
