-- ends_of_cycles: the latest success is asked for all the time
CREATE INDEX IF NOT EXISTS ends_of_cycles ON cycles (status, ended_at)
