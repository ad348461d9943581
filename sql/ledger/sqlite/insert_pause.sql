-- insert_pause: a pause begins
INSERT INTO pauses (scope_kind, scope_name, scope_key, reason, created_at, created_by) VALUES (?, ?, ?, ?, ?, ?)
