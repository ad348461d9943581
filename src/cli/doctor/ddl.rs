//! Reading the statements that ClickHouse writes for tables and views, as far as it matters where
//! rows come from and how long they stay.

use crate::target::{Token, tokens};

/// A table: database and name.
pub(super) type TableName = (String, String);

/// Every `database.table` in a query; columns of joined tables look the same, and belong to nobody.
pub(super) fn tables_in(query: &str) -> Vec<TableName> {
    let tokens = tokens(query);
    let pairs = tokens.windows(3).filter_map(qualified);
    pairs.collect()
}

fn qualified(tokens: &[Token]) -> Option<TableName> {
    let [database, Token::Symbol('.'), table] = tokens else {
        return None;
    };
    Some((database.as_name()?.into(), table.as_name()?.into()))
}

/// What stands after `TO` in `CREATE MATERIALIZED VIEW … TO database.table`.
pub(super) fn destination(ddl: &str) -> Option<TableName> {
    let tokens = tokens(ddl);
    let head = tokens
        .split(|token| *token == Token::Symbol('(') || token.is_word("AS"))
        .next()?;
    let to = head.iter().position(|token| token.is_word("TO"))?;
    qualified(head.get(to + 1..to + 4)?)
}

/// Whether a materialised view is computed as a whole, again and again, instead of being added to.
pub(super) fn is_recomputed(ddl: &str) -> bool {
    let tokens = tokens(ddl);
    let head = tokens
        .split(|token| *token == Token::Symbol('(') || token.is_word("AS"))
        .next()
        .unwrap_or_default();
    let has = |word: &str| head.iter().any(|token| token.is_word(word));
    has("REFRESH") && !has("APPEND")
}

/// Whether a dictionary is loaded again by itself.
pub(super) fn is_reloaded(ddl: &str) -> bool {
    let tokens = tokens(ddl);
    let lifetime = tokens.iter().position(|token| token.is_word("LIFETIME"));
    let lifetime = tokens.iter().skip(lifetime.unwrap_or(tokens.len()));
    let inside = lifetime.take_while(|token| **token != Token::Symbol(')'));
    let words = inside.filter(|token| matches!(token, Token::Word(_)));
    words.last().is_some_and(|longest| !longest.is_word("0"))
}

/// The names and strings between the first brackets: the parameters of an engine.
pub(super) fn parameters(engine_full: &str) -> Vec<String> {
    let tokens = tokens(engine_full);
    let open = tokens
        .iter()
        .position(|token| *token == Token::Symbol('('))
        .unwrap_or(tokens.len());
    let mut parameters = Vec::new();
    let mut depth = 0_u32;
    for token in tokens.into_iter().skip(open + 1) {
        match token {
            Token::Word(text) | Token::Name(text) | Token::Text(text) => parameters.push(text),
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') if depth == 0 => break,
            Token::Symbol(')') => depth -= 1,
            Token::Symbol(_) => {}
        }
    }
    parameters
}

/// Whether rows of a table go by a TTL of its own. One that only moves or recompresses them does
/// not count.
pub(super) fn has_deleting_ttl(engine_full: &str) -> bool {
    let tokens = tokens(engine_full);
    let Some(ttl) = tokens.iter().position(|token| token.is_word("TTL")) else {
        return false;
    };
    let clause = tokens.iter().skip(ttl + 1);
    let clause = clause.take_while(|token| !token.is_word("SETTINGS"));
    let mut depth = 0_u32;
    let mut deletes = true;
    for token in clause {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth = depth.saturating_sub(1),
            // The next element of the list; one that deletes is enough.
            Token::Symbol(',') if depth == 0 && deletes => return true,
            Token::Symbol(',') if depth == 0 => deletes = true,
            token
                if ["TO", "RECOMPRESS", "GROUP"]
                    .iter()
                    .any(|word| token.is_word(word)) =>
            {
                deletes = false;
            }
            _ => {}
        }
    }
    deletes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(database: &str, table: &str) -> TableName {
        (database.into(), table.into())
    }

    #[test]
    fn tables_are_found_wherever_a_query_names_them() {
        let query = "SELECT s.id, 'db.text' AS t FROM db.spans AS s INNER JOIN db.`odd.\\`name` ON 1.5 > \
                     (SELECT count() FROM `other db`.`a``b`)";
        let found = tables_in(query);
        for table in [
            name("db", "spans"),
            name("db", "odd.`name"),
            name("other db", "a`b"),
        ] {
            assert!(found.contains(&table), "{table:?} is not in {found:?}");
        }
        assert!(!found.contains(&name("db", "text")), "{found:?}");
    }

    #[test]
    fn the_destination_of_a_view_is_not_taken_from_its_name_or_its_query() {
        for (ddl, expected) in [
            (
                "CREATE MATERIALIZED VIEW d.`mv TO d.y` TO d.`odd TO x` (`w` String) AS SELECT 1",
                Some(name("d", "odd TO x")),
            ),
            (
                "CREATE MATERIALIZED VIEW d.v REFRESH EVERY 1 DAY APPEND TO e.roll (`w` String) DEFINER = a AS SELECT 1",
                Some(name("e", "roll")),
            ),
            (
                "CREATE MATERIALIZED VIEW d.v (`TO` String) ENGINE = MergeTree ORDER BY `TO` AS SELECT 1 TO d.x",
                None,
            ),
        ] {
            assert_eq!(destination(ddl), expected, "{ddl}");
        }
        assert!(is_recomputed(
            "CREATE MATERIALIZED VIEW d.v REFRESH EVERY 1 DAY (`w` String)"
        ));
        assert!(!is_recomputed(
            "CREATE MATERIALIZED VIEW d.v REFRESH EVERY 1 DAY APPEND TO d.x"
        ));
        assert!(!is_recomputed(
            "CREATE MATERIALIZED VIEW d.`REFRESH` TO d.x"
        ));
    }

    #[test]
    fn only_a_ttl_that_deletes_is_one() {
        let table =
            |ttl: &str| format!("MergeTree ORDER BY `TTL` {ttl} SETTINGS index_granularity = 8192");
        for ttl in [
            "TTL at + toIntervalDay(30)",
            "TTL at + toIntervalDay(30) DELETE WHERE w = 'TO'",
            "TTL toDate(at, 'UTC') + toIntervalDay(7) TO DISK 'cold', at + toIntervalDay(30)",
            "TTL at + toIntervalDay(30), at + toIntervalDay(7) TO VOLUME 'cold'",
        ] {
            assert!(has_deleting_ttl(&table(ttl)), "{ttl}");
        }
        for ttl in [
            "",
            "TTL at + toIntervalDay(7) TO DISK 'cold'",
            "TTL at + toIntervalDay(7) RECOMPRESS CODEC(ZSTD(17))",
            "TTL at + toIntervalDay(7) GROUP BY w SET n = sum(n)",
        ] {
            assert!(!has_deleting_ttl(&table(ttl)), "{ttl}");
        }
    }

    #[test]
    fn parameters_and_lifetimes_are_read() {
        let merge = "Merge(REGEXP('d.*'), '^spa')";
        assert_eq!(parameters(merge), ["REGEXP", "d.*", "^spa"]);
        let full = "Distributed('two', 'my db', 'spa\\'ns', rand()) SETTINGS a = 5, b = 'x'";
        assert_eq!(
            parameters(full).get(..3).unwrap(),
            ["two", "my db", "spa'ns"]
        );
        assert!(is_reloaded("… LIFETIME(MIN 0 MAX 300) LAYOUT(FLAT())"));
        assert!(is_reloaded("… LIFETIME(300)"));
        assert!(!is_reloaded("… LIFETIME(MIN 0 MAX 0) LAYOUT(FLAT())"));
        assert!(!is_reloaded("… LAYOUT(FLAT())"));
    }
}
