-- server_facts: what this user's session looks like, and the clock and zone of the server
SELECT
    toUnixTimestamp64Milli(now64(3)) AS now_ms,
    timezone() AS timezone,
    toUInt64(getSetting('readonly')) AS readonly,
    toBool(getSetting('enable_lightweight_delete')) AS lightweight_delete
