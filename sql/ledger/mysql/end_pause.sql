-- end_pause: the row stays, with who and when
UPDATE pauses SET ended_at = ?, ended_by = ? WHERE id = ?
