-- begin_cycle: before anything is sent
INSERT INTO cycles (id, started_at, as_of, rules_digest, revision) VALUES (?, ?, ?, ?, ?)
