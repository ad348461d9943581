-- put_workspaces: a workspace that moved keeps its row
INSERT INTO workspaces (workspace_key, workspace, organization) VALUES /* each */ (?, ?, ?) /* end */
ON DUPLICATE KEY UPDATE organization = VALUES(organization)
