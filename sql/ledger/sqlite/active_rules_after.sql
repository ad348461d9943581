-- active_rules_after: a page of what holds now
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by FROM rules WHERE id > ? AND deactivated_at IS NULL ORDER BY id LIMIT ?
