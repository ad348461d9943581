//! Retentions: how long, checked on construction.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A whole number of days, at least one and at most [`Days::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Days(u32);

impl Days {
    /// A hundred years. Whoever wants to keep data longer than that wants `unlimited`; the bound
    /// also keeps every cutoff inside the range of ClickHouse's time types (from 1900).
    pub const MAX: u32 = 36_500;

    /// Checks a number of days.
    ///
    /// # Errors
    /// [`RetentionError`] for zero and for more than [`Days::MAX`].
    pub fn new(days: u32) -> Result<Self, RetentionError> {
        match days {
            0 => Err(RetentionError::Zero { text: "0d".into() }),
            days if days > Self::MAX => Err(RetentionError::TooLong {
                text: format!("{days}d"),
            }),
            days => Ok(Self(days)),
        }
    }

    /// Reads `7d`: digits and the letter `d`, nothing else.
    ///
    /// ```
    /// use ebbtide::Days;
    /// assert_eq!(Days::parse("7d")?.get(), 7);
    /// for bad in ["0d", "-3d", "6m", "7", "7 d", "9999999d", ""] {
    ///     assert!(Days::parse(bad).is_err(), "{bad}");
    /// }
    /// # Ok::<(), ebbtide::RetentionError>(())
    /// ```
    ///
    /// # Errors
    /// [`RetentionError`], which says what to write instead.
    pub fn parse(text: &str) -> Result<Self, RetentionError> {
        let own = || text.to_owned();
        if text.starts_with('-') {
            return Err(RetentionError::Negative { text: own() });
        }
        let Some(digits) = text.strip_suffix('d') else {
            return Err(RetentionError::Unit { text: own() });
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RetentionError::Unit { text: own() });
        }
        match digits.parse::<u32>() {
            Ok(0) => Err(RetentionError::Zero { text: own() }),
            Ok(days) if days <= Self::MAX => Ok(Self(days)),
            _ => Err(RetentionError::TooLong { text: own() }),
        }
    }

    /// The number of days.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Days {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How long rows are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Retention {
    /// For ever. A rule like any other: at a narrow scope it beats a finite one at a wider scope.
    Unlimited,
    /// For this many days.
    Days {
        /// The length.
        days: Days,
        /// The name of the period in the config, if the rule used one.
        period: Option<Arc<str>>,
    },
}

impl Retention {
    /// The length, or nothing for `unlimited`.
    pub fn days(&self) -> Option<Days> {
        match self {
            Self::Unlimited => None,
            Self::Days { days, .. } => Some(*days),
        }
    }
}

/// As a person wrote it: `unlimited`, `base_60d`, `7d`.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Days {
                period: Some(name), ..
            } => f.write_str(name),
            Self::Days { days, period: None } => days.fmt(f),
        }
    }
}

impl Serialize for Retention {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The named periods of the config and the floor under every retention.
#[derive(Debug, Clone)]
pub struct Periods {
    named: BTreeMap<Arc<str>, Days>,
    floor: Days,
}

impl Periods {
    /// Checks names and lengths: a period below the floor, or one called `unlimited` or like a
    /// custom retention (`7d`), is an error.
    ///
    /// # Errors
    /// The first [`RetentionError`].
    pub fn new<N: Into<Arc<str>>>(
        named: impl IntoIterator<Item = (N, Days)>,
        floor: Days,
    ) -> Result<Self, RetentionError> {
        let mut periods = Self {
            named: BTreeMap::new(),
            floor,
        };
        for (name, days) in named {
            let name = name.into();
            if &*name == "unlimited" || Days::parse(&name).is_ok() {
                return Err(RetentionError::ReservedName {
                    name: name.to_string(),
                });
            }
            if days < floor {
                return Err(RetentionError::BelowFloor {
                    text: format!("{name}: {days}"),
                    floor,
                });
            }
            periods.named.insert(name, days);
        }
        Ok(periods)
    }

    /// The shortest retention that is allowed.
    pub fn floor(&self) -> Days {
        self.floor
    }

    /// The named periods, ordered by name.
    pub fn named(&self) -> impl Iterator<Item = (&Arc<str>, Days)> {
        self.named.iter().map(|(name, days)| (name, *days))
    }

    /// Reads what a rule says: `unlimited`, the name of a period, or a custom `7d`.
    ///
    /// ```
    /// use ebbtide::{Days, Periods};
    /// let periods = Periods::new([("base_60d", Days::new(60)?)], Days::new(3)?)?;
    /// assert_eq!(periods.retention("base_60d")?.days(), Some(Days::new(60)?));
    /// assert_eq!(periods.retention("unlimited")?.days(), None);
    /// assert!(periods.retention("2d").is_err(), "below the floor");
    /// assert!(periods.retention("gold").is_err(), "no such period");
    /// # Ok::<(), ebbtide::RetentionError>(())
    /// ```
    ///
    /// # Errors
    /// [`RetentionError`], which says what would be right.
    pub fn retention(&self, text: &str) -> Result<Retention, RetentionError> {
        if text == "unlimited" {
            return Ok(Retention::Unlimited);
        }
        if let Some((name, days)) = self.named.get_key_value(text) {
            return Ok(Retention::Days {
                days: *days,
                period: Some(Arc::clone(name)),
            });
        }
        let looks_like_a_length = text.is_empty()
            || text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        if !looks_like_a_length {
            let names: Vec<&str> = self.named.keys().map(|name| &**name).collect();
            let known = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(RetentionError::UnknownPeriod {
                text: text.to_owned(),
                known,
            });
        }
        let days = Days::parse(text)?;
        if days < self.floor {
            return Err(RetentionError::BelowFloor {
                text: text.to_owned(),
                floor: self.floor,
            });
        }
        Ok(Retention::Days { days, period: None })
    }
}

/// Why a retention is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// Zero days would delete everything.
    #[error("retention {text:?} is zero days, which would delete everything; write at least 1d")]
    Zero {
        /// What was written.
        text: String,
    },
    /// A negative length.
    #[error("retention {text:?} is negative; write whole days such as 7d")]
    Negative {
        /// What was written.
        text: String,
    },
    /// Longer than [`Days::MAX`].
    #[error("retention {text:?} is longer than {max} days; write unlimited to keep for ever", max = Days::MAX)]
    TooLong {
        /// What was written.
        text: String,
    },
    /// Not a whole number of days.
    #[error(
        "retention {text:?} is not a number of whole days; write days with the letter d, such as 7d \
         (m could mean minutes or months)"
    )]
    Unit {
        /// What was written.
        text: String,
    },
    /// Below the configured floor.
    #[error(
        "retention {text:?} is below the floor of {floor}; raise it, or lower retention.floor in the config"
    )]
    BelowFloor {
        /// What was written.
        text: String,
        /// The floor.
        floor: Days,
    },
    /// No such period in the config.
    #[error(
        "retention {text:?} is no period of the config (known: {known}); use one of them, 7d, or unlimited, or add it under retention.periods"
    )]
    UnknownPeriod {
        /// What was written.
        text: String,
        /// The names that exist, joined by commas; `none` if there is none.
        known: String,
    },
    /// A period with a name that already means something.
    #[error("a period cannot be called {name:?}: that already is a retention; choose another name")]
    ReservedName {
        /// The name.
        name: String,
    },
}
