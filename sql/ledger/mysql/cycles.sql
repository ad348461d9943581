-- cycles: the latest first
SELECT id, started_at, as_of, rules_digest, revision, ended_at, status FROM cycles ORDER BY started_at DESC, id DESC LIMIT ?
