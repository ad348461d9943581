-- begin_cycle: before anything is sent
INSERT INTO cycles (id, started_at, as_of, rules_digest, revision, kind, plan_digest, slot_day, slot_from, slot_to, holder, lease_token, asked)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
