-- present_revision: when what was there before came about is not known; it counts from now
INSERT OR IGNORE INTO revisions (revision, since) SELECT revision, strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' FROM meta
