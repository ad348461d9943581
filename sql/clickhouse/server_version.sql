-- server_version: asked first and without any setting, since an old server refuses settings it does not know
SELECT version() AS version
