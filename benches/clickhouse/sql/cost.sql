-- cost: what the server notes about one run's mutations of {table}
SELECT
    count() AS parts_registered,
    sum(ProfileEvents['MutationUntouchedParts']) AS parts_untouched,
    sum(ProfileEvents['MutationExecuteMilliseconds']) AS mutation_ms,
    sum(ProfileEvents['WriteBufferFromFileDescriptorWriteBytes']) AS bytes_written
FROM system.part_log
WHERE database = currentDatabase() AND table = {table:String} AND event_type = 'MutatePart'
