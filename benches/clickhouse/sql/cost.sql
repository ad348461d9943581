-- cost: what the server notes about one run's mutations of {table}
SELECT
    countIf(event_type = 'MutatePart') AS parts_registered,
    sum(ProfileEvents['MutationUntouchedParts']) AS parts_untouched,
    sum(ProfileEvents['MutationExecuteMilliseconds']) AS mutation_ms,
    sum(ProfileEvents['WriteBufferFromFileDescriptorWriteBytes']) AS bytes_written,
    toUInt64(intDiv(sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']), 1000)) AS cpu_ms
FROM system.part_log
WHERE database = currentDatabase() AND table = {table:String} AND event_type = 'MutatePart'
