//! Ebbtide: rules in, the cheapest correct deletes out.

mod clock;
mod cutoff;
mod embedded;
mod ledger;
mod resolve;
mod rule;
#[macro_use]
mod sql;
mod target;
mod warehouse;

pub use clock::{Clock, FixedClock, SystemClock};
pub use cutoff::{Bounds, Cutoff, smallest_id, utc_day};
pub use ledger::{
    CreatedRule, CycleRecord, CycleStart, Deactivation, DirectoryError, ImportRule, ImportedRules,
    Ledger, LedgerError, NewRule, RuleRecord, StepIntent, StepOutcome, StepRecord, connect,
    read_directory,
};
pub use resolve::{Directory, Policies, Policy, Trail, resolve};
pub use rule::{
    Days, Periods, Retention, RetentionError, Rule, RuleEntry, RuleFileError, RuleId, RuleProblem,
    RuleReader, RuleSet, RuleSetError, Scope,
};
pub use target::{
    Age, AgeColumn, AgeKind, CheckedKeep, CheckedTarget, Column, Keep, NameColumn, ProjectionMode,
    TableSchema, Target, TargetProblem, TextKind,
};
