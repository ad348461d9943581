-- plans: plans that are kept for review; the body is the last, so that a list need not read through it
CREATE TABLE IF NOT EXISTS plans (
    id TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    revision INTEGER NOT NULL,
    n_due INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'applied', 'stale')),
    approved_at TEXT,
    approved_by TEXT,
    body TEXT NOT NULL,
    CHECK ((approved_at IS NULL) = (approved_by IS NULL))
) STRICT
