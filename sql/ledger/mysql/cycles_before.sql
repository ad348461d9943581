-- cycles_before: a page, newest first, from the one before a cycle or from the latest
SELECT id, started_at, as_of, rules_digest, revision, kind, plan_digest, slot_day, slot_from, slot_to, holder, lease_token, ended_at, status, asked FROM cycles
WHERE ? IS NULL OR (started_at, id) < (SELECT started_at, id FROM cycles WHERE id = ?)
ORDER BY started_at DESC, id DESC LIMIT ?
