-- forget_looks: a new look takes the place of what it overlaps; what nobody looks at again stays as it was seen
DELETE FROM looks WHERE range_from < ? AND ? < range_to
