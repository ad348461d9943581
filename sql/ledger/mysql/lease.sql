-- lease: who has it or had it last; no holder means that it was given back
SELECT holder, token, expires_at FROM leases WHERE name = ? FOR UPDATE
