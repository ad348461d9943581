-- grant_lease: to a new holder, or again to the same
INSERT INTO leases (name, holder, token, expires_at) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at
