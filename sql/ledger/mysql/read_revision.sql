-- read_revision: whoever planned from rules compares it before acting on them
SELECT revision FROM meta WHERE id = 1
