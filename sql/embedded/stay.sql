-- stay: the process ends with its last statement, so this one has no end
SELECT sleepEachRow(3)
FROM numbers(1000000000)
SETTINGS function_sleep_max_microseconds_per_block = 100000000, max_block_size = 1
FORMAT Null
