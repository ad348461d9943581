//! Column types, as far as they matter: what can name a workspace, and what has an age.

use serde::{Deserialize, Serialize};

/// The type of a column that holds a name: a workspace, a project, a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// `String`, also as `LowCardinality`.
    String,
    /// `FixedString(n)`; shorter values are padded with NUL bytes.
    FixedString(usize),
    /// `UUID`.
    Uuid,
    /// An integer between the two bounds.
    Integer {
        /// The smallest value of the type.
        min: i128,
        /// The largest value of the type.
        max: i128,
    },
}

impl TextKind {
    /// Reads a type as the server writes it; nothing for a type that cannot hold a name.
    ///
    /// ```
    /// use ebbtide::TextKind;
    /// assert_eq!(TextKind::parse("LowCardinality(Nullable(String))"), Some(TextKind::String));
    /// assert_eq!(TextKind::parse("FixedString(36)"), Some(TextKind::FixedString(36)));
    /// assert_eq!(TextKind::parse("Float64"), None);
    /// ```
    pub fn parse(type_name: &str) -> Option<Self> {
        let plain = strip_wrappers(type_name);
        if let Some(length) = arguments(plain, "FixedString") {
            return length.parse().ok().map(Self::FixedString);
        }
        let unsigned = |bits: u32| Self::Integer {
            min: 0,
            max: (1_i128 << bits) - 1,
        };
        let signed = |bits: u32| Self::Integer {
            min: -(1_i128 << (bits - 1)),
            max: (1_i128 << (bits - 1)) - 1,
        };
        Some(match plain {
            "String" => Self::String,
            "UUID" => Self::Uuid,
            "UInt8" => unsigned(8),
            "UInt16" => unsigned(16),
            "UInt32" => unsigned(32),
            "UInt64" => unsigned(64),
            "Int8" => signed(8),
            "Int16" => signed(16),
            "Int32" => signed(32),
            "Int64" => signed(64),
            _ => return None,
        })
    }

    /// Whether a column of this type can hold the name at all. If it cannot, no row has it.
    pub fn can_hold(self, name: &str) -> bool {
        self.spelling(name).is_some()
    }

    /// How a column of this type spells the name; nothing if it cannot hold it. A name in another
    /// spelling than the column's (`07`, an upper-case UUID) would be taken for another name.
    ///
    /// ```
    /// use ebbtide::TextKind;
    /// let number = TextKind::parse("UInt8").ok_or("a number")?;
    /// assert_eq!(number.spelling("07"), Some("7".into()));
    /// assert_eq!(number.spelling("300"), None);
    /// # Ok::<(), &str>(())
    /// ```
    pub fn spelling(self, name: &str) -> Option<String> {
        match self {
            Self::String => Some(name.to_owned()),
            Self::FixedString(length) => {
                let unpadded = name.trim_end_matches('\0');
                (unpadded.len() <= length).then(|| unpadded.to_owned())
            }
            Self::Uuid => uuid::Uuid::try_parse(name)
                .ok()
                .map(|uuid| uuid.to_string()),
            Self::Integer { min, max } => {
                let number = name.parse::<i128>().ok()?;
                (min..=max).contains(&number).then(|| number.to_string())
            }
        }
    }
}

/// The type of an age column: how it is compared and what a bound looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeKind {
    /// UUIDs as text: `String` or `FixedString(36)`. The order of lower-case text is that of time.
    UuidText,
    /// The type `UUID`, whose own order is not that of time.
    Uuid,
    /// `Date`: 1970 to 2149.
    Date,
    /// `Date32`: 1900 to 2299.
    Date32,
    /// `DateTime`: whole seconds, 1970 to 2106.
    DateTime,
    /// `DateTime64`: fractions of a second.
    DateTime64,
}

impl AgeKind {
    /// The kind of a column configured as `uuid_v7`; nothing if its type holds no UUID.
    pub fn of_uuid_v7(type_name: &str) -> Option<Self> {
        match TextKind::parse(type_name)? {
            TextKind::String | TextKind::FixedString(36) => Some(Self::UuidText),
            TextKind::Uuid => Some(Self::Uuid),
            TextKind::FixedString(_) | TextKind::Integer { .. } => None,
        }
    }

    /// The kind of a column configured as `time`; nothing if its type holds no time.
    pub fn of_time(type_name: &str) -> Option<Self> {
        let plain = strip_wrappers(type_name);
        if arguments(plain, "DateTime64").is_some() {
            return Some(Self::DateTime64);
        }
        if arguments(plain, "DateTime").is_some() {
            return Some(Self::DateTime);
        }
        match plain {
            "Date" => Some(Self::Date),
            "Date32" => Some(Self::Date32),
            "DateTime" => Some(Self::DateTime),
            _ => None,
        }
    }

    /// How coarse the times of a column may be, in milliseconds: what happened at any instant of a
    /// unit may be stored as its beginning.
    pub fn unit_ms(self) -> i64 {
        match self {
            Self::UuidText | Self::Uuid => 1,
            // `DateTime64(0)` is as coarse as `DateTime`.
            Self::DateTime | Self::DateTime64 => 1_000,
            Self::Date | Self::Date32 => 86_400_000,
        }
    }
}

/// Whether a type admits NULL.
pub(super) fn is_nullable(type_name: &str) -> bool {
    type_name.contains("Nullable(")
}

/// The type inside `LowCardinality(…)` and `Nullable(…)`.
pub(super) fn strip_wrappers(type_name: &str) -> &str {
    let mut plain = type_name.trim();
    while let Some(inner) =
        arguments(plain, "LowCardinality").or_else(|| arguments(plain, "Nullable"))
    {
        plain = inner.trim();
    }
    plain
}

/// What stands between the brackets of `name(…)`.
fn arguments<'t>(type_name: &'t str, name: &str) -> Option<&'t str> {
    type_name
        .strip_prefix(name)?
        .strip_prefix('(')?
        .strip_suffix(')')
}
