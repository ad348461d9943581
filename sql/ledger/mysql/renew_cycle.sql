-- renew_cycle: the revision that a cycle goes on under, which fences its steps, and the rules of it
UPDATE cycles SET revision = ?, rules_digest = ? WHERE id = ? AND ended_at IS NULL
