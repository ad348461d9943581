-- prune_steps: with their cycles: the oldest of those that have ended or lost their lease
DELETE FROM steps WHERE cycle IN (SELECT id FROM (SELECT id FROM cycles WHERE ended_at < ? OR (ended_at IS NULL AND started_at < ? AND lease_token < (SELECT token FROM leases WHERE name = 'cycle')) ORDER BY id LIMIT ?) AS oldest)
