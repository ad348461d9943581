-- insert_request: in the transaction of what it creates
INSERT INTO request_keys (request_key, request, result, made_at) VALUES (?, ?, ?, ?)
