-- definition: what tells a table, defined as it is, from any other, and the second that it is asked in; nothing where it was defined so a moment ago, since the server keeps whole seconds, or where nobody knows when
SELECT
    if(
        metadata_modification_time BETWEEN toDateTime(1) AND now() - 2
        -- What is made of a dictionary or of another table changes with these.
        AND create_table_query != '' AND NOT match(create_table_query, '\\bdict[A-Z]|\\bjoinGet'),
        concat(toString(uuid), ' ', toString(toUnixTimestamp(metadata_modification_time))),
        ''
    ) AS id,
    toUnixTimestamp(now()) AS asked_s
FROM system.tables
WHERE database = currentDatabase() AND name = {table:String}
