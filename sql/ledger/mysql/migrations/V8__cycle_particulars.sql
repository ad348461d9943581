-- cycle_particulars: what began a cycle, for which slot, by whom, and under which lease
SET @ebbtide_ddl = IF(
    EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'cycles' AND column_name = 'kind'),
    'DO 0',
    'ALTER TABLE cycles
        ADD COLUMN kind VARCHAR(16) NOT NULL DEFAULT ''run'',
        ADD COLUMN plan_digest VARCHAR(128) NOT NULL DEFAULT '''',
        ADD COLUMN slot_day VARCHAR(16),
        ADD COLUMN slot_from BIGINT UNSIGNED,
        ADD COLUMN slot_to BIGINT UNSIGNED,
        ADD COLUMN holder TEXT,
        ADD COLUMN lease_token BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD KEY cycles_of_day (slot_day)'
);
PREPARE ebbtide_ddl FROM @ebbtide_ddl;
EXECUTE ebbtide_ddl;
DEALLOCATE PREPARE ebbtide_ddl
