-- now: the clock that leases and revisions go by
SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'
