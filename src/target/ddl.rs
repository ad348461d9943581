//! Reading the statements that ClickHouse writes for tables, views and engines. It writes them in one
//! form: keywords in capitals, tables with their database, odd names in backticks.

use std::iter::Peekable;
use std::str::Chars;

/// What a statement is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A keyword, a plain name or a number.
    Word(String),
    /// A name in quotes.
    Name(String),
    /// A string.
    Text(String),
    /// Anything else.
    Symbol(char),
}

impl Token {
    /// Whether it is this word.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found == word)
    }

    /// The name that it may be, in quotes or not.
    pub(crate) fn as_name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            Self::Text(_) | Self::Symbol(_) => None,
        }
    }
}

/// The words, names, strings and symbols of a statement.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
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
