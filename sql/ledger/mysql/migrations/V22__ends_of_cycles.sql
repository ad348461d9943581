-- ends_of_cycles: the latest success is asked for all the time
SET @ebbtide_ddl = IF(
    EXISTS (SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'cycles' AND index_name = 'ends_of_cycles'),
    'DO 0',
    'ALTER TABLE cycles ADD KEY ends_of_cycles (status, ended_at)'
);
PREPARE ebbtide_ddl FROM @ebbtide_ddl;
EXECUTE ebbtide_ddl;
DEALLOCATE PREPARE ebbtide_ddl
