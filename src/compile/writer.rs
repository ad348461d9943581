//! The one writer of SQL for deletes and probes.
//!
//! Invariant: text from outside enters a statement only through [`Sql::text`] (a string literal),
//! [`Sql::number`] and [`Sql::identifier`]; everything else is a constant of this crate.

use std::fmt::Write as _;

/// A piece of SQL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sql(String);

impl Sql {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Constant text.
    pub(super) fn raw(&mut self, constant: &'static str) -> &mut Self {
        self.0.push_str(constant);
        self
    }

    /// Another piece.
    pub(super) fn sql(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// A string literal that stands for exactly these bytes.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        write_literal(&mut self.0, value);
        self
    }

    /// An integer literal.
    pub(super) fn number(&mut self, value: i64) -> &mut Self {
        // Writing to a String cannot fail.
        write!(self.0, "{value}").unwrap_or_default();
        self
    }

    /// A quoted identifier.
    pub(super) fn identifier(&mut self, name: &str) -> &mut Self {
        self.0.push('`');
        for letter in name.chars() {
            if matches!(letter, '`' | '\\') {
                self.0.push('\\');
            }
            self.0.push(letter);
        }
        self.0.push('`');
        self
    }

    /// The items, with a constant between them.
    pub(super) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        separator: &'static str,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push_str(separator);
            }
            write(self, item);
        }
        self
    }

    /// Its bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Writes `'…'` with ClickHouse's escapes. Only the quote and the backslash end or change a
/// literal; the control characters are escaped to keep statements readable in logs.
fn write_literal(out: &mut String, value: &str) {
    out.push('\'');
    for letter in value.chars() {
        match letter {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('\'');
}

/// A string literal as ClickHouse reads it; what the compiler writes for every text value.
///
/// ```
/// assert_eq!(ebbtide::literal("it's"), r"'it\'s'");
/// assert_eq!(ebbtide::literal("a\\b\0"), r"'a\\b\0'");
/// ```
pub fn literal(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    write_literal(&mut out, value);
    out
}

/// The length in bytes of [`literal`].
pub(super) fn literal_len(value: &str) -> usize {
    let escapes = value
        .bytes()
        .filter(|byte| matches!(byte, b'\'' | b'\\' | b'\0' | b'\n' | b'\r' | b'\t'))
        .count();
    2 + value.len() + escapes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads a literal back by ClickHouse's rules; nothing if it ends early or late.
    fn read(literal: &str) -> Option<String> {
        let mut letters = literal.strip_prefix('\'')?.chars();
        let mut value = String::new();
        loop {
            match letters.next()? {
                '\'' => return letters.next().is_none().then_some(value),
                '\\' => value.push(match letters.next()? {
                    '0' => '\0',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                }),
                other => value.push(other),
            }
        }
    }

    proptest! {
        #[test]
        fn a_literal_stands_for_its_value_and_nothing_else(
            value in r#"(\PC|['\\`"?{}\x00\n\r\t;-]){0,40}"#
        ) {
            let written = literal(&value);
            prop_assert_eq!(written.len(), literal_len(&value));
            prop_assert_eq!(read(&written), Some(value));
        }
    }
}
