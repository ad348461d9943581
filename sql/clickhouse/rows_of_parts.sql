-- rows_of_parts: how many rows some parts hold as they are stored, and how many of them this user sees, masked ones included
SELECT
    toUInt64(ifNull((
        SELECT sum(rows) FROM system.parts
        WHERE active AND database = currentDatabase() AND table = {table:String} AND name IN {parts:Array(String)}
    ), 0)) AS n_stored,
    toUInt64(ifNull((SELECT count() FROM {table:Identifier} WHERE _part IN {parts:Array(String)}), 0)) AS n_seen
SETTINGS apply_deleted_mask = 0
