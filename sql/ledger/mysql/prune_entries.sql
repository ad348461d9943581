-- prune_entries: only from the oldest on, so that the rest stays a chain
DELETE FROM audit WHERE seq < (
    SELECT bound FROM (SELECT COALESCE(MIN(CASE WHEN recorded_at >= ? THEN seq END), MAX(seq) + 1) AS bound FROM audit) AS bounds
)
