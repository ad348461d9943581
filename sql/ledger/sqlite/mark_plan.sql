-- mark_plan: a plan that was applied or has become stale stays so
UPDATE plans SET status = ?1 WHERE id = ?2 AND (status IN ('pending', 'approved') OR status = ?1)
