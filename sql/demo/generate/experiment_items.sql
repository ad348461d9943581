-- experiment_items: every fiftieth trace is part of an experiment; a few only of a stranger's
INSERT INTO experiment_items
    (id, experiment_id, dataset_item_id, trace_id, workspace_id, created_at, last_updated_at,
     created_by, last_updated_by)
SELECT concat(substring(trace, 1, 19), '8', substring(trace, 21)),
    toString(reinterpretAsUUID(sipHash128(workspace))),
    toString(reinterpretAsUUID(sipHash128(trace))),
    trace, workspace, start_time + INTERVAL 1 DAY AS at, at, 'eve', 'eve'
FROM
(
    SELECT id AS trace, workspace_id AS workspace, start_time
    FROM traces
    WHERE sipHash64(id, 'experiment') % 50 = 0
    UNION ALL
    -- What another workspace refers to is not kept: only a workspace's own experiments count.
    SELECT id, 'walk-in', start_time
    FROM traces
    WHERE sipHash64(id, 'experiment') % 3000 = 1 AND workspace_id != 'walk-in'
)
