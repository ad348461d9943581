-- parts_of_steps: what a step cost is learned from the parts that it was registered against
SET @ebbtide_ddl = IF(
    EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'steps' AND column_name = 'n_parts'),
    'DO 0',
    'ALTER TABLE steps ADD COLUMN n_parts BIGINT UNSIGNED NOT NULL DEFAULT 0'
);
PREPARE ebbtide_ddl FROM @ebbtide_ddl;
EXECUTE ebbtide_ddl;
DEALLOCATE PREPARE ebbtide_ddl
