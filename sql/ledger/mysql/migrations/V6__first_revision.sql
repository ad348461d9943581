-- first_revision: the revision starts at zero
INSERT IGNORE INTO meta (id, revision) VALUES (1, 0)
