-- insert_settings: what gives rules their meaning from this revision on
INSERT INTO settings (revision, body, noted_at, noted_by) VALUES (?, ?, ?, ?)
