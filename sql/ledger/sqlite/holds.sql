-- holds: the whole history
SELECT id, organization, workspace, project, range_from, range_until, reason, owner, created_at, created_by, released_at, released_by FROM holds ORDER BY id
