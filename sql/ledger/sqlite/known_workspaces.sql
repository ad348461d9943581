-- known_workspaces: what the directory says of the workspaces about to be put
SELECT workspace_key, organization FROM workspaces WHERE workspace_key IN (/* each */ ? /* end */)
