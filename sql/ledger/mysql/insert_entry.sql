-- insert_entry: in the transaction of what it tells of
INSERT INTO audit (seq, recorded_at, actor, kind, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?)
