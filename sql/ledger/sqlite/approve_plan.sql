-- approve_plan: with who and when
UPDATE plans SET status = 'approved', approved_at = ?, approved_by = ? WHERE id = ?
