-- each_rule_at: what held at a revision, streamed; a rule deactivated before revisions were noted never did
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by FROM rules
WHERE created_revision <= ? AND (deactivated_at IS NULL OR deactivated_revision > ?) ORDER BY id
