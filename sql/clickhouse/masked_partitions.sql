-- masked_partitions: where deleted rows may still be on disk, from what the server knows of parts alone
WITH
    placed AS
    (
        SELECT
            table,
            startsWith(partition_id, 'patch-') AS is_patch,
            -- A patch part waits in a partition of its own: `patch-<digest>-<partition>`.
            if(is_patch, replaceRegexpOne(partition_id, '^patch-[^-]*-', ''), partition_id) AS partition,
            toBool(has_lightweight_delete) AS is_masked,
            rows,
            data_version,
            modification_time,
            disk_name
        FROM system.parts
        WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)}
    ),
    -- A part is written to any disk of its volume, so a volume counts as one.
    volumes AS
    (
        SELECT
            policy_name,
            groupArray(disk) AS disks,
            sum(toFloat64(least(free_space, unreserved_space))) AS free,
            sum(toFloat64(total_space)) AS total
        FROM
        (
            SELECT policy_name, volume_name, arrayJoin(disks) AS disk FROM system.storage_policies
        ) AS named
        INNER JOIN system.disks AS disks ON disks.name = named.disk
        WHERE NOT is_read_only
        GROUP BY policy_name, volume_name
    ),
    space AS
    (
        SELECT tables.name AS table, arrayJoin(disks) AS disk_name, free, total
        FROM system.tables AS tables
        INNER JOIN volumes ON volumes.policy_name = tables.storage_policy
        WHERE tables.database = currentDatabase() AND tables.name IN {tables:Array(String)}
    ),
    unfinished AS
    (
        SELECT table, uniqExact(mutation_id) AS n_unfinished
        FROM system.mutations
        WHERE NOT is_done AND database = currentDatabase() AND table IN {tables:Array(String)}
        GROUP BY table
    )
SELECT
    placed.table AS table,
    placed.partition AS partition,
    sumIf(placed.rows, NOT is_patch) AS n_rows,
    -- A patch is waited for by parts from before it; afterwards it stays for a while.
    toBool(maxIf(data_version, is_patch AND is_masked) > minIf(data_version, NOT is_patch)) AS has_patches,
    -- Of the oldest patch, applied or not; 0 without any.
    toUInt64(if(countIf(is_patch AND is_masked) = 0, 0, greatest(dateDiff('second', minIf(modification_time, is_patch AND is_masked), now()), 0))) AS patch_age_s,
    any(unfinished.n_unfinished) AS n_unfinished,
    -- Of its volumes, the one with the least.
    toUInt64(least(min(space.free), 9e18)) AS free_bytes,
    toUInt64(least(argMin(space.total, space.free), 9e18)) AS total_bytes
FROM placed
LEFT JOIN space ON space.table = placed.table AND space.disk_name = placed.disk_name
LEFT JOIN unfinished ON unfinished.table = placed.table
GROUP BY table, partition
HAVING has_patches OR countIf(is_masked AND NOT is_patch) > 0
ORDER BY table, partition
