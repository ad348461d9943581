//! The fields of one rule while it is read, and their check.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Place, RuleEntry, RuleProblem};
use crate::rule::{Periods, Scope};

const KEYS: [&str; 6] = [
    "organization",
    "workspace",
    "project",
    "retention",
    "apply_to_past",
    "created_at",
];

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Plain(String),
    Quoted(String),
    /// Not usable, and why, to follow the name of the key.
    Refused(String),
}

struct Field {
    key: &'static str,
    key_place: Place,
    value: Value,
    value_place: Place,
}

/// A rule as far as it was read.
pub(super) struct Draft {
    place: Place,
    fields: Vec<Field>,
    pub(super) problems: Vec<RuleProblem>,
    has_unknown_key: bool,
}

type Checked = (Option<RuleEntry>, Option<(Scope, Place)>, Vec<RuleProblem>);

impl Draft {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            fields: Vec::new(),
            problems: Vec::new(),
            has_unknown_key: false,
        }
    }

    pub(super) fn refuse(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(place.problem(message));
    }

    pub(super) fn put(&mut self, name: &str, key_place: Place, value: Value, value_place: Place) {
        let Some(key) = KEYS.into_iter().find(|key| *key == name) else {
            self.has_unknown_key = true;
            return self.refuse(key_place, unknown_key(name));
        };
        if let Some(first) = self.fields.iter().find(|field| field.key == key) {
            let line = first.key_place.line;
            return self.refuse(
                key_place,
                format!("{key} is written twice (first on line {line}); keep one of the two"),
            );
        }
        if let Value::Refused(message) = &value {
            self.refuse(value_place, format!("{key}: {message}"));
        }
        self.fields.push(Field {
            key,
            key_place,
            value,
            value_place,
        });
    }

    /// Judges the whole rule. The scope comes back even where the rest is wrong.
    pub(super) fn check(mut self, periods: &Periods) -> Checked {
        let scope = self.scope();
        let retention = match self.text("retention") {
            Ok(Some((text, place))) => match periods.retention(&text) {
                Ok(retention) => Some(retention),
                Err(error) => {
                    self.refuse(place, error.to_string());
                    None
                }
            },
            Ok(None) => {
                // The misspelt key was reported already, and may well be this one.
                if !self.has_unknown_key {
                    let place = self.place;
                    self.refuse(
                        place,
                        "the rule has no retention; add one, such as `retention: 7d`, a period \
                         of the config, or unlimited",
                    );
                }
                None
            }
            Err(()) => None,
        };
        let apply_to_past = self.apply_to_past();
        let created_at = self.created_at();
        let entry = match (&scope, retention, apply_to_past, created_at) {
            (Some((scope, _)), Some(retention), Some(apply_to_past), Some(created_at))
                if self.problems.is_empty() =>
            {
                let line = self.place.line;
                let scope = scope.clone();
                Some(RuleEntry {
                    line,
                    scope,
                    retention,
                    apply_to_past,
                    created_at,
                })
            }
            _ => None,
        };
        (entry, scope, self.problems)
    }

    fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// The text of a field and where it stands; an error if the field was refused already.
    fn text(&self, key: &str) -> Result<Option<(String, Place)>, ()> {
        let Some(field) = self.field(key) else {
            return Ok(None);
        };
        match &field.value {
            Value::Plain(text) | Value::Quoted(text) => Ok(Some((text.clone(), field.value_place))),
            Value::Refused(_) => Err(()),
        }
    }

    fn scope(&mut self) -> Option<(Scope, Place)> {
        let place_of = |key| self.field(key).map(|field| field.key_place);
        let organization = place_of("organization");
        let (workspace, project) = (place_of("workspace"), place_of("project"));
        let scope_place = match (organization, workspace, project) {
            (None, None, None) => {
                if !self.has_unknown_key {
                    let place = self.place;
                    self.refuse(
                        place,
                        "the rule applies to nothing; add organization or workspace, or workspace \
                         and project",
                    );
                }
                return None;
            }
            (Some(_), Some(place), _) | (Some(_), None, Some(place)) => {
                self.refuse(
                    place,
                    "a rule applies to one scope, and this one names an organization too; write \
                     one rule for each",
                );
                return None;
            }
            (None, None, Some(place)) => {
                if !self.has_unknown_key {
                    self.refuse(place, "a project belongs to a workspace; add workspace");
                }
                return None;
            }
            (Some(place), None, None) | (None, Some(place), _) => place,
        };
        let name = |key| {
            self.text(key)
                .map(|field| field.map(|(text, _)| Arc::<str>::from(text)))
        };
        let scope = match (name("organization"), name("workspace"), name("project")) {
            (Ok(Some(name)), Ok(None), Ok(None)) => Scope::Organization(name),
            (Ok(None), Ok(Some(name)), Ok(None)) => Scope::Workspace(name),
            (Ok(None), Ok(Some(workspace)), Ok(Some(project))) => {
                Scope::Project { workspace, project }
            }
            _ => return None,
        };
        Some((scope, scope_place))
    }

    fn apply_to_past(&mut self) -> Option<bool> {
        let Some(field) = self.field("apply_to_past") else {
            return Some(true);
        };
        let (place, value) = (field.value_place, field.value.clone());
        match value {
            Value::Plain(text) => match text.as_str() {
                "true" | "True" | "TRUE" => return Some(true),
                "false" | "False" | "FALSE" => return Some(false),
                _ => self.refuse(
                    place,
                    format!("apply_to_past: {text:?} is neither true nor false; write one of them"),
                ),
            },
            Value::Quoted(_) => self.refuse(
                place,
                "apply_to_past: this is a text; write true or false without quotes",
            ),
            Value::Refused(_) => {}
        }
        None
    }

    /// The outer option says whether there is no problem, the inner one whether there is a value.
    #[expect(
        clippy::option_option,
        reason = "refused, absent and present are three answers"
    )]
    fn created_at(&mut self) -> Option<Option<Timestamp>> {
        let (text, place) = match self.text("created_at") {
            Ok(Some(found)) => found,
            Ok(None) => return Some(None),
            Err(()) => return None,
        };
        match text.parse::<Timestamp>() {
            Ok(at) if at >= Timestamp::UNIX_EPOCH => Some(Some(at)),
            Ok(_) => {
                self.refuse(
                    place,
                    format!("created_at: {text:?} is before 1970; write when the rule was made"),
                );
                None
            }
            Err(_) => {
                self.refuse(
                    place,
                    format!(
                        "created_at: {text:?} is not an instant of RFC 3339; write date, time and \
                         offset, such as 2026-10-01T00:00:00Z"
                    ),
                );
                None
            }
        }
    }
}

fn unknown_key(name: &str) -> String {
    let nearest = KEYS
        .into_iter()
        .map(|key| (strsim::jaro_winkler(name, key), key))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((_, key)) => format!("unknown key {name:?}; did you mean {key}?"),
        None => format!(
            "unknown key {name:?}; a rule has the keys {}",
            KEYS.join(", ")
        ),
    }
}
