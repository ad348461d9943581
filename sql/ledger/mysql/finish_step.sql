-- finish_step: once, but an unknown outcome may be settled later
UPDATE steps SET verdict = ?, rows_left = ?, error = ?, duration_ms = ?, finished_at = ?
WHERE cycle = ? AND step = ? AND (verdict IS NULL OR verdict = 'unknown')
