-- move_head: the end of the hash chain moves with it
UPDATE meta SET audit_seq = ?, audit_hash = ? WHERE id = 1
