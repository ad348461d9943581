-- note_look: what a plan or a cycle saw of a share of the workspaces
INSERT INTO looks (range_from, range_to, looked_at, terms, body) VALUES (?, ?, ?, ?, ?)
