-- foreground_read: a small read such as users make; how long it takes says what they feel
SELECT * FROM {table:Identifier} LIMIT 1 FORMAT Null
