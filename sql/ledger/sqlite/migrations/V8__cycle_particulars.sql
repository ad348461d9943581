-- cycle_particulars: what began a cycle, for which slot, by whom, and under which lease
ALTER TABLE cycles ADD COLUMN kind TEXT NOT NULL DEFAULT 'run';
ALTER TABLE cycles ADD COLUMN plan_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE cycles ADD COLUMN slot_day TEXT;
ALTER TABLE cycles ADD COLUMN slot_from INTEGER;
ALTER TABLE cycles ADD COLUMN slot_to INTEGER;
ALTER TABLE cycles ADD COLUMN holder TEXT NOT NULL DEFAULT '';
ALTER TABLE cycles ADD COLUMN lease_token INTEGER NOT NULL DEFAULT 0;
CREATE INDEX newest ON cycles (started_at, id);
CREATE INDEX cycles_of_day ON cycles (slot_day)
