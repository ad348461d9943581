-- slots_done: which places of a day need no other cycle
SELECT slot_from, slot_to FROM cycles WHERE slot_day = ? AND status = 'done' ORDER BY slot_from, slot_to
