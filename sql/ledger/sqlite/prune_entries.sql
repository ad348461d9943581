-- prune_entries: only from the oldest on, so that the rest stays a chain
DELETE FROM audit WHERE seq < (
    SELECT COALESCE(MIN(CASE WHEN recorded_at >= ?1 THEN seq END), MAX(seq) + 1)
    FROM (SELECT seq, recorded_at FROM audit ORDER BY seq LIMIT ?2) AS oldest
)
