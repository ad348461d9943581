-- release_migration_lock: the connection goes back to the pool
SELECT RELEASE_LOCK(CONCAT('ebbtide.', MD5(DATABASE())))
