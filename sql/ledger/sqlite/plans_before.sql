-- plans_before: a page, newest first; ids are in the order of time
SELECT id, digest, revision, n_due, created_at, created_by, status, approved_at, approved_by FROM plans WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2
