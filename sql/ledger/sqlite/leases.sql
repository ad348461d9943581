-- leases: those that have not ended
SELECT name, holder, token, expires_at FROM leases WHERE holder IS NOT NULL AND expires_at > strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' ORDER BY name
