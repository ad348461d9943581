-- leases: those that have not ended
SELECT name, holder, token, expires_at FROM leases WHERE holder IS NOT NULL AND expires_at > UTC_TIMESTAMP(6) ORDER BY name
