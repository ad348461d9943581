-- end_cycle: once; a cycle without an end means a crash
UPDATE cycles SET ended_at = ?, status = ? WHERE id = ? AND ended_at IS NULL
