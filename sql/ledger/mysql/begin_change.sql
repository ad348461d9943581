-- begin_change: what a change starts from: the revision, the end of the hash chain, and the time
SELECT revision, audit_seq, audit_hash, UTC_TIMESTAMP(6) FROM meta WHERE id = 1
