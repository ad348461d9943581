-- cycle: one cycle
SELECT id, started_at, as_of, rules_digest, revision, kind, plan_digest, slot_day, slot_from, slot_to, holder, lease_token, ended_at, status, asked FROM cycles WHERE id = ?
