-- step_particulars: what a step deleted, by which cutoffs, and how long that took
ALTER TABLE steps ADD COLUMN predicate TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN bounds TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN duration_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX steps_by_time ON steps (intended_at)
