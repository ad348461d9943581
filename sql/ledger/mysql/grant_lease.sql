-- grant_lease: to a new holder, or again to the same
INSERT INTO leases (name, holder, token, expires_at) VALUES (?, ?, ?, ?)
ON DUPLICATE KEY UPDATE holder = VALUES(holder), token = VALUES(token), expires_at = VALUES(expires_at)
