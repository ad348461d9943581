-- now: the clock that leases and revisions go by
SELECT UTC_TIMESTAMP(6)
