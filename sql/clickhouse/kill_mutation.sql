-- kill_mutation: ends one mutation of ours; its marker is asked for again, so that nobody else's is ended
-- A rewrite of reclaim, which deletes nothing, is known by its text, and must be all that the mutation does.
KILL MUTATION WHERE database = currentDatabase()
    AND table = {table:String}
    AND mutation_id = {id:String}
    AND
    (
        position(command, concat('''', {marker:String}, '''')) > 0
        OR
        (
            command = {marker:String}
            AND mutation_id NOT IN
            (
                SELECT mutation_id
                FROM system.mutations
                WHERE database = currentDatabase()
                  AND table = {table:String}
                  AND NOT match(command, '^[(]*APPLY (DELETED MASK|PATCHES)')
            )
        )
    )
ASYNC FORMAT Null
