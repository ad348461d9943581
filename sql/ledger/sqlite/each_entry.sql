-- each_entry: the hash chain, streamed
SELECT seq, recorded_at, actor, kind, body, previous, hash FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?
