-- release_hold: the row stays, with who and when
UPDATE holds SET released_at = ?, released_by = ? WHERE id = ? AND released_at IS NULL
