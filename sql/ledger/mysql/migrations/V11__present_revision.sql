-- present_revision: when what was there before came about is not known; it counts from now
INSERT IGNORE INTO revisions (revision, since) SELECT revision, UTC_TIMESTAMP(6) FROM meta
