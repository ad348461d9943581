//! The environment over the file, and what is said about a variable that fits nowhere.
//!
//! Invariant: no message repeats a value, which may be a secret in the wrong place.

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::{Env, Format};

use super::raw::RawConfig;
use super::syntax::nearest;

const PREFIX: &str = "EBBTIDE_";

/// There are fewer keys that want text, so a search for those that look otherwise ends.
const MOST_TEXTS: usize = 100;

/// Every `EBBTIDE_SECTION__KEY` of the process.
pub(super) fn of_the_process() -> Env {
    Env::prefixed(PREFIX)
        .filter(|key| key.as_str().contains("__"))
        .split("__")
}

/// The names of the variables of a layer, as a person set them.
pub(super) fn names(environment: &Env) -> Vec<String> {
    let mut names: Vec<String> = environment
        .iter()
        .map(|(key, _)| variable(&key.as_str().split('.').collect::<Vec<_>>()))
        .collect();
    names.sort();
    names
}

/// Reads the file with the environment over it; the file alone is known to be right.
pub(super) fn extract(yaml: &str, environment: &Env) -> Result<RawConfig, String> {
    let values: Vec<(String, String)> = environment
        .iter()
        .map(|(key, value)| (key.as_str().to_lowercase(), value))
        .collect();
    let mut figment =
        Figment::from(serde_saphyr::figment::Yaml::string(yaml)).merge(environment.clone());
    for _ in 0..MOST_TEXTS {
        let error = match figment.extract::<RawConfig>() {
            Ok(raw) => return Ok(raw),
            Err(error) => error,
        };
        // What looks like a number or a truth value may be meant as text: a user called 12345.
        let key = error.path.join(".").to_lowercase();
        let as_text = values
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.clone())
            .or_else(|| written(&figment, &key));
        match as_text.filter(|_| wants_text(&error.kind)) {
            Some(value) => figment = figment.merge((key, value)),
            None => return Err(describe(&error, &values)),
        }
    }
    Err("its values contradict each other; set fewer of them".into())
}

/// A number or truth value of the file as text. The file alone was read before: where it has one, text
/// was wanted, and the file's text is a text.
fn written(figment: &Figment, key: &str) -> Option<String> {
    use figment::value::{Num, Value};
    match figment.find_value(key).ok()? {
        Value::Bool(_, value) => Some(value.to_string()),
        Value::Num(_, Num::F32(value)) => Some(value.to_string()),
        Value::Num(_, Num::F64(value)) => Some(value.to_string()),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string())),
        _ => None,
    }
}

fn wants_text(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::InvalidType(Actual::Bool(_) | Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) | Actual::Char(_), expected)
            if expected.contains("string")
    )
}

fn describe(error: &figment::Error, values: &[(String, String)]) -> String {
    let path: Vec<&str> = error.path.iter().map(String::as_str).collect();
    let name = variable(&path);
    match &error.kind {
        Kind::UnknownField(field, known) => {
            // Of a misspelt section the error does not name the keys, but the variable does.
            let section = format!("{}.", path.join(".").to_lowercase());
            let key = values
                .iter()
                .find_map(|(key, _)| key.strip_prefix(&section));
            let whole = |name: String| match key {
                Some(key) => format!("{name}__{}", key.replace('.', "__").to_uppercase()),
                None => name,
            };
            let above = path.split_last().map_or(&[][..], |(_, above)| above);
            let remedy = match nearest(field, known) {
                Some(known) => {
                    let meant = whole(variable(&[above, &[known]].concat()));
                    format!("did you mean {meant}?")
                }
                None => format!("its section has the keys {}", known.join(", ")),
            };
            format!("{} is no setting; {remedy}", whole(name))
        }
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            format!("{name} must be {}", wanted(expected))
        }
        other => format!("{name}: {other}"),
    }
}

fn wanted(expected: &str) -> &str {
    match expected {
        "u32" | "u64" => "a whole number, 0 or more",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list, which only the file can hold; set it there",
        "a map" => "a section; set its keys one by one",
        other => other,
    }
}

fn variable(path: &[&str]) -> String {
    format!("{PREFIX}{}", path.join("__").to_uppercase())
}
