-- prune_cycles: those that are old, and have ended or lost their lease
DELETE FROM cycles WHERE ended_at < ? OR (ended_at IS NULL AND started_at < ? AND lease_token < (SELECT token FROM leases WHERE name = 'cycle'))
