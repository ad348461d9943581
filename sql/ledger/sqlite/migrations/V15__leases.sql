-- leases: who may act at present; the row stays when a lease ends, so that its token only grows
CREATE TABLE IF NOT EXISTS leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT,
    token INTEGER NOT NULL,
    expires_at TEXT NOT NULL
) STRICT
