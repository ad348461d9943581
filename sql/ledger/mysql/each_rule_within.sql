-- each_rule_within: what held at any revision from the first to the last, streamed; one that was replaced in its own revision never did
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by, created_revision, deactivated_revision FROM rules
WHERE (deactivated_at IS NULL OR (deactivated_revision > ? AND deactivated_revision > created_revision)) AND created_revision <= ? ORDER BY id
