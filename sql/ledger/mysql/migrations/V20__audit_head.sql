-- audit_head: the end of the hash chain, so that entries cut off at its end are missed
SET @ebbtide_ddl = IF(
    EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'meta' AND column_name = 'audit_seq'),
    'DO 0',
    'ALTER TABLE meta
        ADD COLUMN audit_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD COLUMN audit_hash VARCHAR(64) NOT NULL DEFAULT ''0000000000000000000000000000000000000000000000000000000000000000'''
);
PREPARE ebbtide_ddl FROM @ebbtide_ddl;
EXECUTE ebbtide_ddl;
DEALLOCATE PREPARE ebbtide_ddl
