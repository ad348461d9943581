//! What is wrong with the text of the file: line, column, a caret, and what to write instead.

use std::borrow::Cow;
use std::path::Path;

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// The error with its place in the file.
pub(super) fn describe(error: &Error, path: &Path) -> String {
    let text = error.render_with_formatter(&Wording);
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    text.replacen("--> <input>:", &format!("--> {}:", path.display()), 1)
}

/// Our words for what happens most.
struct Wording;

impl MessageFormatter for Wording {
    fn format_message<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        match error {
            Error::SerdeUnknownField {
                field, expected, ..
            } => match nearest(field, expected) {
                Some(key) => format!("unknown key {field}; did you mean {key}?").into(),
                None => format!(
                    "unknown key {field}; the keys here are {}",
                    expected.join(", ")
                )
                .into(),
            },
            Error::SerdeUnknownVariant {
                variant, expected, ..
            } => format!("unknown {variant}; write one of {}", expected.join(", ")).into(),
            Error::SerdeMissingField { field, .. } => {
                format!("{field} is missing here; add it").into()
            }
            Error::DuplicateMappingKey { key, .. } => {
                let key = key.as_deref().unwrap_or("this key");
                format!("{key} is written twice; keep one of the two").into()
            }
            Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
                "only one of these keys can hold; keep one of them".into()
            }
            Error::InvalidScalar { ty, .. } => match *ty {
                "u32" | "u64" => "write a whole number, 0 or more, here".into(),
                "f64" => "write a number here".into(),
                "bool" | "boolean" => "write true or false here".into(),
                ty => format!("this is no {ty}").into(),
            },
            Error::Eof { .. } => {
                "the file ends here and says nothing; copy the sample config.yml".into()
            }
            other => Cow::Owned(UserMessageFormatter.format_message(other).into_owned()),
        }
    }
}

/// The key that was most likely meant.
pub(super) fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let nearest = known
        .iter()
        .map(|key| (strsim::jaro_winkler(written, key), *key))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest.map(|(_, key)| key)
}
