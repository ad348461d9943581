-- revision_at: the latest that had begun by then
SELECT max(revision) FROM revisions WHERE since <= ?
