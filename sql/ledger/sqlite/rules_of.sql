-- rules_of: a page of rules whose numbers are known, active or not
SELECT id, organization, workspace, project, retention, apply_to_past, created_at, created_by, deactivated_at, deactivated_by FROM rules WHERE id IN (/* each */ ? /* end */) ORDER BY id
