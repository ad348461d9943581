-- active_holds: those in force
SELECT id, organization, workspace, project, range_from, range_until, reason, owner, created_at, created_by, released_at, released_by FROM holds WHERE released_at IS NULL ORDER BY id
