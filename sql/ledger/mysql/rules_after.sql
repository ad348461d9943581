-- rules_after: a page of the whole history
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by FROM rules WHERE id > ? ORDER BY id LIMIT ?
