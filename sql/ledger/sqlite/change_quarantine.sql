-- change_quarantine: what is over stays so
UPDATE quarantines SET state = ?, n_rows = ?, n_bytes = ?, changed_at = ?, changed_by = ?
WHERE cycle = ? AND step = ? AND partition_id = ? AND state NOT IN ('undone', 'dropped')
