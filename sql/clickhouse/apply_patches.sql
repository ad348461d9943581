-- apply_patches: makes deletes that wait in patch parts masks, which only then can be applied
ALTER TABLE {name:Identifier} APPLY PATCHES IN PARTITION ID {partition:String}
