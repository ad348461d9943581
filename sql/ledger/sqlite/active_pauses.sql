-- active_pauses: those in force
SELECT id, scope_kind, scope_name, reason, created_at, created_by, ended_at, ended_by FROM pauses WHERE ended_at IS NULL ORDER BY id
