-- each_workspace: the directory, streamed
SELECT workspace, organization FROM workspaces ORDER BY workspace_key
