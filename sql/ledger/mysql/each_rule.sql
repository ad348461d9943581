-- each_rule: the whole history, streamed
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by FROM rules ORDER BY id
