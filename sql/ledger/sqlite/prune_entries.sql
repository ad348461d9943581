-- prune_entries: only from the oldest on, so that the rest stays a chain
DELETE FROM audit WHERE seq < coalesce((SELECT min(seq) FROM audit WHERE recorded_at >= ?1), (SELECT max(seq) + 1 FROM audit))
