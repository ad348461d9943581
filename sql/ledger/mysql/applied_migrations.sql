-- applied_migrations: what this ledger has, to be compared with what this version knows
SELECT version, name FROM refinery_schema_history ORDER BY version
