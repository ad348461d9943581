-- end_pause: the row stays, with who and when it ended first
UPDATE pauses SET ended_at = ?, ended_by = ? WHERE id = ? AND ended_at IS NULL
