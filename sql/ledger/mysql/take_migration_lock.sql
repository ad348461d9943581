-- take_migration_lock: two migrations at once would meet half of each other
SELECT GET_LOCK(CONCAT('ebbtide.', MD5(DATABASE())), 60)
