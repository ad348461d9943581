-- looks: what is known of all places, by whichever instance
SELECT range_from, range_to, looked_at, terms, body FROM looks ORDER BY range_from
