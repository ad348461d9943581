-- put_workspaces: a workspace that moved keeps its row
INSERT INTO workspaces (workspace_key, workspace, organization) VALUES /* each */ (?, ?, ?) /* end */
ON CONFLICT (workspace_key) DO UPDATE SET organization = excluded.organization
