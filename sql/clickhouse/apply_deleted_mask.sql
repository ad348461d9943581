-- apply_deleted_mask: rewrites the parts of a partition that have a mask, without the rows that are deleted
ALTER TABLE {name:Identifier} APPLY DELETED MASK IN PARTITION ID {partition:String}
