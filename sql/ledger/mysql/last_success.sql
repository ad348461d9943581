-- last_success: each half is one step in the index
SELECT max(ended_at) FROM (
    SELECT max(ended_at) AS ended_at FROM cycles WHERE status = 'done'
    UNION ALL SELECT max(ended_at) FROM cycles WHERE status = 'partial'
) AS ends
