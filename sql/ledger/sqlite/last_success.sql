-- last_success: each part is one step in the index
SELECT max(ended_at) FROM (
    SELECT max(ended_at) AS ended_at FROM cycles WHERE status = 'done'
    UNION ALL SELECT max(ended_at) FROM cycles WHERE status = 'partial'
    UNION ALL SELECT max(ended_at) FROM cycles WHERE status = 'deferred'
) AS ends
