-- rule_revisions: from and until which revision a rule was active; rules from before count as created at revision zero
SET @ebbtide_ddl = IF(
    EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'rules' AND column_name = 'created_revision'),
    'DO 0',
    'ALTER TABLE rules
        ADD COLUMN created_revision BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD COLUMN deactivated_revision BIGINT UNSIGNED'
);
PREPARE ebbtide_ddl FROM @ebbtide_ddl;
EXECUTE ebbtide_ddl;
DEALLOCATE PREPARE ebbtide_ddl
