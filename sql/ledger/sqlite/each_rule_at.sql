-- each_rule_at: what held at a revision, streamed; a rule deactivated before revisions were noted never did
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by FROM rules
WHERE created_revision <= ?1 AND (deactivated_at IS NULL OR deactivated_revision > ?1) ORDER BY id
