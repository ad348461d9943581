-- asked: what a person asked a cycle for, whatever the rules say, and who
SET @ebbtide_ddl = IF(
    EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'cycles' AND column_name = 'asked'),
    'DO 0',
    'ALTER TABLE cycles ADD COLUMN asked TEXT'
);
PREPARE ebbtide_ddl FROM @ebbtide_ddl;
EXECUTE ebbtide_ddl;
DEALLOCATE PREPARE ebbtide_ddl
