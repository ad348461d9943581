-- release_lease: the row stays, so that the token only grows
UPDATE leases SET holder = NULL, expires_at = ? WHERE name = ? AND holder = ? AND token = ?
