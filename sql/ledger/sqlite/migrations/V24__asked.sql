-- asked: what a person asked a cycle for, whatever the rules say, and who
ALTER TABLE cycles ADD COLUMN asked TEXT
