//! What a YAML event means for a rule.

use granit_parser::{Event, ScalarStyle};

use super::draft::Value;

pub(super) fn depth_change(event: &Event<'_>) -> i32 {
    match event {
        Event::SequenceStart(..) | Event::MappingStart(..) => 1,
        Event::SequenceEnd | Event::MappingEnd => -1,
        _ => 0,
    }
}

const NO_ALIAS: &str = "anchors and aliases (& and *) are not supported; write the value out, or \
                        put a text that begins so in quotes";
const NO_TAG: &str =
    "tags (!) are not supported; leave it out, or put a text that begins so in quotes";

/// Why a node is refused for what stands before it.
pub(super) fn decoration(event: &Event<'_>) -> Option<&'static str> {
    if event.is_alias() || event.anchor_id().is_some_and(|id| id != 0) {
        return Some(NO_ALIAS);
    }
    event.tag().map(|_| NO_TAG)
}

pub(super) fn value(event: &Event<'_>) -> Value {
    if let Some(message) = decoration(event) {
        return Value::Refused(message.into());
    }
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => match &**text {
            "" => Value::Refused("has no value; write one, or \"\" for an empty name".into()),
            "~" | "null" | "Null" | "NULL" => Value::Refused(format!(
                "is {text}, which is nothing in YAML; put it in quotes (\"{text}\") if it is a name"
            )),
            _ => Value::Plain(text.to_string()),
        },
        Event::Scalar(text, ..) => Value::Quoted(text.to_string()),
        _ => Value::Refused("must be one value, not a list or mapping; write text".into()),
    }
}
