-- rule: one rule, active or not
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by FROM rules WHERE id = ?
