//! The ways in which rows can leave a table: what the config wants, and what the table admits.

use serde::{Deserialize, Serialize};

use super::setting::FOR_PATCHES;
use super::{AgeColumn, Period, Quarantine, TableSchema};

/// How the config wants rows deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodChoice {
    /// The planner chooses what costs the server least.
    #[default]
    Auto,
    /// Lightweight deletes: mutations that mask rows.
    Lightweight,
    /// Patch parts: no mutation, and some cost for readers until the next merge.
    Patch,
    /// Whole partitions are dropped where the policies allow it; the rest goes by lightweight
    /// deletes, partition by partition.
    Partition,
}

impl MethodChoice {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Lightweight => "lightweight",
            Self::Patch => "patch",
            Self::Partition => "partition",
        }
    }
}

/// What a table admits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
pub struct Ways {
    /// What the config wants.
    pub method: MethodChoice,
    /// Whether the table has a partition key.
    pub is_partitioned: bool,
    /// What a partition holds, where its key is a function of the age that is understood.
    pub period: Option<Period>,
    /// Whether mutations `IN PARTITION` leave the parts of other partitions alone: elsewhere they
    /// are registered all the same.
    pub is_replicated: bool,
    /// Whether the table keeps block numbers and offsets, which patch parts need.
    pub can_patch: bool,
    /// Whole partitions are moved there instead of being dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
}

impl Ways {
    /// What a table admits of what the config wants.
    ///
    /// # Errors
    /// The table does not admit the method that the config names; what to do instead.
    pub(super) fn of(
        method: MethodChoice,
        schema: &TableSchema,
        age: &AgeColumn,
    ) -> Result<Self, String> {
        let ways = Self {
            method,
            is_partitioned: !schema.partition_key.is_empty(),
            period: Period::of(schema, age),
            is_replicated: ["Replicated", "Shared"]
                .iter()
                .any(|word| schema.engine.starts_with(word)),
            can_patch: schema.takes_patches(),
            quarantine: None,
        };
        match method {
            MethodChoice::Patch if !ways.can_patch => Err(format!(
                "the config says method: patch, and the table has no block numbers and offsets; run: \
                 ALTER TABLE {}.{} MODIFY SETTING {}; or choose another method",
                schema.database,
                schema.name,
                FOR_PATCHES
                    .map(|setting| format!("{setting} = 1"))
                    .join(", ")
            )),
            MethodChoice::Partition if ways.period.is_none() => Err(format!(
                "the config says method: partition, and its partition key ({}) is no day, week or \
                 month of the age column {} that could be understood; write method: auto",
                if ways.is_partitioned {
                    &schema.partition_key
                } else {
                    "none"
                },
                age.name
            )),
            _ => Ok(ways),
        }
    }

    /// Whether partitions may be dropped as a whole.
    pub fn may_drop(&self) -> bool {
        self.is_partitioned && matches!(self.method, MethodChoice::Auto | MethodChoice::Partition)
    }
}
