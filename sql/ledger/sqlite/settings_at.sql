-- settings_at: the latest that were noted by then
SELECT body FROM settings WHERE revision <= ? ORDER BY revision DESC LIMIT 1
