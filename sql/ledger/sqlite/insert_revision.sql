-- insert_revision: since when it holds
INSERT INTO revisions (revision, since) VALUES (?, ?)
