-- renew_cycle: the revision that a cycle goes on under; its steps are fenced by it
UPDATE cycles SET revision = ? WHERE id = ? AND ended_at IS NULL
