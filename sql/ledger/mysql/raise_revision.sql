-- raise_revision: in the transaction of the change, so that nobody misses it
UPDATE meta SET revision = ? WHERE id = 1
