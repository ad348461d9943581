-- last_success: each part is one step in the index; a backfill is of one scope and says nothing of the rules
SELECT max(ended_at) FROM (
    SELECT ended_at FROM (SELECT ended_at FROM cycles WHERE status = 'done' AND kind <> 'backfill' ORDER BY ended_at DESC LIMIT 1) AS done_ends
    UNION ALL SELECT ended_at FROM (SELECT ended_at FROM cycles WHERE status = 'partial' AND kind <> 'backfill' ORDER BY ended_at DESC LIMIT 1) AS partial_ends
    UNION ALL SELECT ended_at FROM (SELECT ended_at FROM cycles WHERE status = 'deferred' AND kind <> 'backfill' ORDER BY ended_at DESC LIMIT 1) AS deferred_ends
) AS ends
