-- request: whether a request came before, what it was, and what it has created
SELECT request, result FROM request_keys WHERE request_key = ? AND made_at >= ?
