-- insert_approval: of a revision, after looking at this plan
INSERT INTO approvals (revision, plan_digest, approved_at, approved_by) VALUES (?, ?, ?, ?)
