-- mark_plan: a plan that was applied or has become stale stays so
UPDATE plans SET status = ? WHERE id = ? AND (status IN ('pending', 'approved') OR status = ?)
