-- session: refuse what does not fit instead of cutting it, and end a wait for a lock before a person does
SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', innodb_lock_wait_timeout = 20
