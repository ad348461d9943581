-- forget_requests: a request that comes again after a day is a new one
DELETE FROM request_keys WHERE made_at < ?
