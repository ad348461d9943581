-- insert_plan: it waits for an approval
INSERT INTO plans (id, digest, revision, n_due, body, created_at, created_by, status) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending')
