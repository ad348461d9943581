-- kill_mutation: ends one mutation of ours; its marker is asked for again, so that nobody else's is ended
KILL MUTATION WHERE database = currentDatabase()
    AND table = {table:String}
    AND mutation_id = {id:String}
    AND position(command, concat('''', {marker:String}, '''')) > 0
ASYNC FORMAT Null
