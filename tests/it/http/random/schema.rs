//! As much of JSON Schema as the description uses.

use serde_json::Value;

pub struct Schemas(pub Value);

impl Schemas {
    /// A schema, with a reference followed.
    pub fn follow<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(path) => self.follow(self.0.pointer(path.trim_start_matches('#')).expect(path)),
            None => schema,
        }
    }

    /// What is wrong with a value, if anything.
    pub fn check(&self, schema: &Value, value: &Value, place: &str) -> Option<String> {
        let schema = self.follow(schema);
        for (word, all) in [("oneOf", false), ("anyOf", false), ("allOf", true)] {
            if let Some(choices) = schema[word].as_array() {
                let wrong = choices
                    .iter()
                    .map(|choice| self.check(choice, value, place));
                return if all {
                    wrong.flatten().next()
                } else {
                    wrong.min_by_key(Option::is_some).flatten()
                };
            }
        }
        if let Some(words) = schema["enum"].as_array() {
            return (!words.contains(value))
                .then(|| format!("{place}: {value} is none of {words:?}"));
        }
        if let Some(word) = schema.get("const") {
            return (word != value).then(|| format!("{place}: {value} is not {word}"));
        }
        let is = |kind: &str| match kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => panic!("unknown type {kind}"),
        };
        let fits = match &schema["type"] {
            Value::String(kind) => is(kind),
            Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
            _ => true,
        };
        if !fits {
            return Some(format!("{place}: {value} is no {}", schema["type"]));
        }
        if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
            && number < least
        {
            return Some(format!("{place}: {value} is below {least}"));
        }
        if let Some(items) = value.as_array() {
            let check =
                |(index, item)| self.check(&schema["items"], item, &format!("{place}[{index}]"));
            return items.iter().enumerate().find_map(check);
        }
        let fields = value.as_object()?;
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required {
            if !fields.contains_key(name.as_str().unwrap()) {
                return Some(format!("{place}: {name} is missing"));
            }
        }
        let known = schema["properties"].as_object();
        fields.iter().find_map(|(name, field)| {
            let place = format!("{place}.{name}");
            match known.and_then(|known| known.get(name)) {
                Some(schema) => self.check(schema, field, &place),
                // An answer has no field that the description does not know.
                None if known.is_some() => Some(format!("{place} is not described")),
                None => None,
            }
        })
    }
}
