-- rule_revisions: from and until which revision a rule was active; rules from before count as created at revision zero
ALTER TABLE rules ADD COLUMN created_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rules ADD COLUMN deactivated_revision INTEGER
