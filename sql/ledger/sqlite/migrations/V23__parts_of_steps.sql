-- parts_of_steps: what a step cost is learned from the parts that it was registered against
ALTER TABLE steps ADD COLUMN n_parts INTEGER NOT NULL DEFAULT 0
