//! One text for one value.

use serde_json::Value;

/// A value has no canonical form: it holds a number that is no integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only whole numbers can be recorded; write a fraction as text")]
pub struct NotCanonical;

/// The canonical JSON of a value: keys in the order of their bytes, no white space, integers only.
///
/// ```
/// use ebbtide::canonical;
/// use serde_json::json;
/// assert_eq!(canonical(&json!({"b": [1, null], "a": "é\n"}))?, r#"{"a":"é\n","b":[1,null]}"#);
/// assert!(canonical(&json!(0.5)).is_err());
/// # Ok::<(), ebbtide::NotCanonical>(())
/// ```
///
/// # Errors
/// [`NotCanonical`] for a number that is no integer: its text depends on who writes it.
pub fn canonical(value: &Value) -> Result<String, NotCanonical> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

fn write(value: &Value, text: &mut String) -> Result<(), NotCanonical> {
    match value {
        Value::Number(number) if number.is_f64() => return Err(NotCanonical),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
        Value::Array(values) => {
            text.push('[');
            for (number, value) in values.iter().enumerate() {
                text.push_str(if number == 0 { "" } else { "," });
                write(value, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            // The map may keep the order of insertion: that depends on features of other crates.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (number, (name, value)) in members.into_iter().enumerate() {
                text.push_str(if number == 0 { "" } else { "," });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}
