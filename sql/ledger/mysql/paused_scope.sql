-- paused_scope: what a pause stops, or stopped
SELECT scope_kind, scope_name FROM pauses WHERE id = ?
