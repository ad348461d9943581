-- forget_looks: a new look takes the place of what it overlaps; old ones say nothing any more
DELETE FROM looks WHERE (range_from < ? AND ? < range_to) OR looked_at < ?
