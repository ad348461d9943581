-- active_rules: which active rules an import or creation meets, by the digest of their scope
SELECT id, active_key, retention, apply_to_past, created_at FROM rules WHERE active_key IN (/* each */ ? /* end */) FOR UPDATE
