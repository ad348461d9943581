-- cost: what the server notes about one run's mutations and patch parts of {table}
SELECT
    countIf(event_type = 'MutatePart') AS parts_registered,
    sumIf(ProfileEvents['MutationUntouchedParts'], event_type = 'MutatePart') AS parts_untouched,
    sumIf(ProfileEvents['MutationExecuteMilliseconds'], event_type = 'MutatePart') AS mutation_ms,
    sum(ProfileEvents['WriteBufferFromFileDescriptorWriteBytes']) AS bytes_written
FROM system.part_log
WHERE database = currentDatabase() AND table = {table:String}
    AND (event_type = 'MutatePart' OR event_type = 'NewPart' AND startsWith(part_name, 'patch-'))
