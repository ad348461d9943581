//! Reading the statements that ClickHouse writes for tables and views, as far as it matters where
//! rows come from and how long they stay. It writes them in one form: keywords in capitals, tables
//! with their database, odd names in backticks.

use std::iter::Peekable;
use std::str::Chars;

/// A table: database and name.
pub(super) type TableName = (String, String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A keyword, a plain name or a number.
    Word(String),
    /// A name in quotes.
    Name(String),
    /// A string.
    Text(String),
    Symbol(char),
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found == word)
    }

    fn as_name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            Self::Text(_) | Self::Symbol(_) => None,
        }
    }
}

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

/// The value of a setting that a table has of its own.
pub(super) fn setting(engine_full: &str, name: &str) -> Option<String> {
    let tokens = tokens(engine_full);
    let found = tokens.windows(3).find_map(|three| match three {
        [key, Token::Symbol('='), value] if key.is_word(name) => Some(value.clone()),
        _ => None,
    });
    match found? {
        Token::Word(value) | Token::Name(value) | Token::Text(value) => Some(value),
        Token::Symbol(_) => None,
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut letters = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(letter) = letters.next() {
        tokens.push(match letter {
            '\'' => Token::Text(quoted(letter, &mut letters)),
            '`' | '"' => Token::Name(quoted(letter, &mut letters)),
            _ if letter.is_whitespace() => continue,
            _ if is_of_word(letter) => {
                let mut word = String::from(letter);
                while let Some(next) = letters.next_if(|next| is_of_word(*next)) {
                    word.push(next);
                }
                Token::Word(word)
            }
            _ => Token::Symbol(letter),
        });
    }
    tokens
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

/// What stands up to the closing quote. A backslash, or the quote twice, stands for one letter.
fn quoted(quote: char, letters: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            text.extend(letters.next());
        } else if letter != quote || letters.next_if_eq(&quote).is_some() {
            text.push(letter);
        } else {
            break;
        }
    }
    text
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
    fn parameters_settings_and_lifetimes_are_read() {
        let merge = "Merge(REGEXP('d.*'), '^spa')";
        assert_eq!(parameters(merge), ["REGEXP", "d.*", "^spa"]);
        let full = "Distributed('two', 'my db', 'spa\\'ns', rand()) SETTINGS a = 5, b = 'x'";
        assert_eq!(
            parameters(full).get(..3).unwrap(),
            ["two", "my db", "spa'ns"]
        );
        assert_eq!(setting(full, "a").as_deref(), Some("5"));
        assert_eq!(setting(full, "b").as_deref(), Some("x"));
        assert_eq!(setting(full, "c"), None);
        assert!(is_reloaded("… LIFETIME(MIN 0 MAX 300) LAYOUT(FLAT())"));
        assert!(is_reloaded("… LIFETIME(300)"));
        assert!(!is_reloaded("… LIFETIME(MIN 0 MAX 0) LAYOUT(FLAT())"));
        assert!(!is_reloaded("… LAYOUT(FLAT())"));
    }
}
