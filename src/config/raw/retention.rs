//! Sections about what is deleted, and how a plan is cut.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::serve::ApprovalMode;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawRetention {
    pub(in crate::config) enabled: bool,
    pub(in crate::config) approval: ApprovalMode,
    pub(in crate::config) armed_for: String,
    pub(in crate::config) default: String,
    pub(in crate::config) floor: String,
    pub(in crate::config) periods: BTreeMap<String, String>,
    pub(in crate::config) slots_per_day: RawSlots,
    pub(in crate::config) max_share_of_table: f64,
    pub(in crate::config) budget: RawBudget,
}

impl Default for RawRetention {
    fn default() -> Self {
        let periods = [
            ("short_14d", "14d"),
            ("base_60d", "60d"),
            ("extended_400d", "400d"),
        ];
        Self {
            enabled: false,
            approval: ApprovalMode::default(),
            armed_for: "0s".into(),
            default: "unlimited".into(),
            floor: "1d".into(),
            periods: periods
                .map(|(name, days)| (name.to_owned(), days.to_owned()))
                .into(),
            slots_per_day: RawSlots::Auto,
            max_share_of_table: 0.5,
            budget: RawBudget::default(),
        }
    }
}

/// What one cycle may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawBudget {
    pub(in crate::config) rows: u64,
    pub(in crate::config) statements: u64,
    pub(in crate::config) time: String,
}

impl Default for RawBudget {
    fn default() -> Self {
        Self {
            rows: 200_000_000,
            statements: 400,
            time: "50m".into(),
        }
    }
}

/// `auto`, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum RawSlots {
    Auto,
    Number(i64),
}

impl<'de> Deserialize<'de> for RawSlots {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AutoOrNumber;

        impl serde::de::Visitor<'_> for AutoOrNumber {
            type Value = RawSlots;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("auto or a whole number")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawSlots, E> {
                if text == "auto" {
                    return Ok(RawSlots::Auto);
                }
                // Not the value itself: it may be a secret in the wrong place.
                Err(E::invalid_value(
                    serde::de::Unexpected::Other("this text"),
                    &self,
                ))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<RawSlots, E> {
                Ok(RawSlots::Number(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<RawSlots, E> {
                Ok(RawSlots::Number(number))
            }
        }

        deserializer.deserialize_any(AutoOrNumber)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawPlan {
    pub(in crate::config) workspaces_per_statement: u64,
    pub(in crate::config) statement_bytes: u64,
    pub(in crate::config) rows_per_step: u64,
}

impl Default for RawPlan {
    fn default() -> Self {
        Self {
            workspaces_per_statement: 1_000,
            statement_bytes: 240_000,
            rows_per_step: 5_000_000,
        }
    }
}
