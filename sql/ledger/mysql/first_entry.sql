-- first_entry: what is left after pruning, and what it continues
SELECT seq, previous FROM audit ORDER BY seq LIMIT 1
