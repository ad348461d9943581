-- step_particulars: what a step deleted, by which cutoffs, and how long that took
SET @ebbtide_ddl = IF(
    EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'steps' AND column_name = 'duration_ms'),
    'DO 0',
    'ALTER TABLE steps
        ADD COLUMN predicate LONGTEXT,
        ADD COLUMN bounds LONGTEXT,
        ADD COLUMN duration_ms BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD KEY steps_by_time (intended_at)'
);
PREPARE ebbtide_ddl FROM @ebbtide_ddl;
EXECUTE ebbtide_ddl;
DEALLOCATE PREPARE ebbtide_ddl
