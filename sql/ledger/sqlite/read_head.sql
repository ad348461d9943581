-- read_head: the end of the hash chain
SELECT audit_seq, audit_hash FROM meta WHERE id = 1
