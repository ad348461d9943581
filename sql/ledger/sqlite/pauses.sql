-- pauses: the whole history
SELECT id, scope_kind, scope_name, reason, created_at, created_by, ended_at, ended_by FROM pauses ORDER BY id
