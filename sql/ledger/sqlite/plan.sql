-- plan: one plan with its body
SELECT id, digest, revision, n_due, created_at, created_by, status, approved_at, approved_by, body FROM plans WHERE id = ?
