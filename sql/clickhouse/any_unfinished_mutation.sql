-- any_unfinished_mutation: mostly there is none, and what it has done need not be asked for
SELECT count() AS n_running
FROM system.mutations
WHERE database = currentDatabase()
  AND ({table:String} = '' OR table = {table:String})
  AND NOT is_done
  AND
  (
      position(command, concat('''', {prefix:String})) > 0
      OR match(command, '^[(]*APPLY (DELETED MASK|PATCHES)')
  )
