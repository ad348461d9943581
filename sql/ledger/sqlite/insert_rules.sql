-- insert_rules: many rows a statement, since an import may bring a million rules
INSERT INTO rules (scope_kind, organization, workspace, project, scope_key, retention, apply_to_past, created_at, created_by, created_revision)
VALUES /* each */ (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) /* end */
