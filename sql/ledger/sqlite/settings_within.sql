-- settings_within: those of the first revision, and those that were noted later, up to the last
SELECT revision, body FROM settings
WHERE revision >= (SELECT max(revision) FROM settings WHERE revision <= ?1) AND revision <= ?2 ORDER BY revision
