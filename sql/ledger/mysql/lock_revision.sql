-- lock_revision: first in every change of rules or directory, so that changes queue instead of deadlocking
SELECT revision FROM meta WHERE id = 1 FOR UPDATE
