-- revision_at: the latest that had begun by then
SELECT MAX(revision) FROM revisions WHERE since <= ?
