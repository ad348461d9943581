-- each_active_rule: what holds now, streamed
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by FROM rules WHERE deactivated_at IS NULL ORDER BY id
