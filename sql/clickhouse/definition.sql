-- definition: what tells a table, defined as it is, from any other; nothing where it was defined so a moment ago: the server keeps whole seconds
SELECT if(
    metadata_modification_time < now() - 1,
    concat(toString(uuid), ' ', toString(toUnixTimestamp(metadata_modification_time))),
    ''
) AS definition
FROM system.tables
WHERE database = currentDatabase() AND name = {table:String}
