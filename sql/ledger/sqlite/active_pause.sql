-- active_pause: whether a scope is paused, and by which pause
SELECT id FROM pauses WHERE active_key = ?
