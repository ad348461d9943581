-- insert_hold: a hold begins
INSERT INTO holds (organization, workspace, project, range_from, range_until, reason, owner, created_at, created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
