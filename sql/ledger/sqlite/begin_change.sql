-- begin_change: what a change starts from: the revision, the end of the hash chain, and the time
SELECT revision, audit_seq, audit_hash, strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' FROM meta WHERE id = 1
