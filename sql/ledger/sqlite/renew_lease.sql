-- renew_lease: only while it lasts: what has ended must be asked for again
UPDATE leases SET expires_at = ? WHERE name = ? AND holder = ? AND token = ? AND expires_at > ?
