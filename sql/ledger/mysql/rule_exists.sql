-- rule_exists: tells an inactive rule from one that never was
SELECT 1 FROM rules WHERE id = ?
