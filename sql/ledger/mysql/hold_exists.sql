-- hold_exists: tells a released hold from one that never was
SELECT 1 FROM holds WHERE id = ?
