-- parts_now: which of some parts are active, how many rows they hold as they are stored, and how many of them this user sees, masked ones included
SELECT
    -- A limit of size refuses the largest: the others are gone by then.
    arrayMap(part -> (part.2, part.3), arraySort(groupArray((bytes_on_disk, name, rows)))) AS by_size,
    toUInt64(ifNull((SELECT count() FROM {table:Identifier} WHERE _part IN {parts:Array(String)}), 0)) AS n_seen
FROM system.parts
WHERE active AND database = currentDatabase() AND table = {table:String} AND name IN {parts:Array(String)}
SETTINGS apply_deleted_mask = 0
