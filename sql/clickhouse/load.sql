-- load: what the server and a table have to do already; whoever has too much is left in peace
-- What the server does not know under its name is no number, and so too much.
SELECT
    ifNull((
        SELECT toFloat64(sumOrNull(value)) FROM system.metrics WHERE metric = 'PartMutation'
    ), nan) AS parts_mutating,
    ifNull((
        SELECT toFloat64(count())
        FROM system.mutations
        WHERE database = currentDatabase() AND table = {table:String} AND NOT is_done
    ), nan) AS unfinished_mutations,
    ifNull((
        SELECT toFloat64(max(parts))
        FROM
        (
            SELECT count() AS parts
            FROM system.parts
            WHERE active AND database = currentDatabase() AND table = {table:String}
            GROUP BY partition_id
        )
    ), nan) AS most_parts,
    -- The table's own setting, or else the server's.
    ifNull((
        SELECT toFloat64OrZero(extract(engine_full, 'parts_to_delay_insert = ([0-9]+)'))
        FROM system.tables
        WHERE database = currentDatabase() AND name = {table:String}
    ), nan) AS delay_at_of_table,
    ifNull((
        SELECT toFloat64(anyOrNull(toUInt64(value)))
        FROM system.merge_tree_settings
        WHERE name = 'parts_to_delay_insert'
    ), nan) AS delay_at_of_server,
    -- No row, where the table has no replicas.
    ifNull((
        SELECT toFloat64(max(absolute_delay))
        FROM system.replicas
        WHERE database = currentDatabase() AND table = {table:String}
    ), nan) AS replication_lag_s,
    ifNull((
        SELECT toFloat64(max(queue_size))
        FROM system.replicas
        WHERE database = currentDatabase() AND table = {table:String}
    ), nan) AS replication_queue,
    -- A part is written to any disk of its volume, so a volume counts as one.
    ifNull((
        SELECT toFloat64(min(share))
        FROM
        (
            SELECT sum(least(free_space, unreserved_space)) / sum(total_space) AS share
            FROM
            (
                SELECT volume_name, arrayJoin(disks) AS disk
                FROM system.storage_policies
                WHERE policy_name IN
                (
                    SELECT storage_policy
                    FROM system.tables
                    WHERE database = currentDatabase() AND name = {table:String}
                )
            ) AS volumes
            INNER JOIN system.disks AS disks ON disks.name = volumes.disk
            WHERE NOT is_read_only
            GROUP BY volume_name
        )
    ), nan) AS free_disk_share
