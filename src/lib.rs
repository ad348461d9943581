//! Ebbtide: rules in, the cheapest correct deletes out.

pub mod cli;
mod clock;
mod compile;
mod config;
mod cutoff;
mod embedded;
mod engine;
mod ledger;
mod pace;
mod plan;
mod resolve;
mod rule;
mod sql;
mod target;
mod verify;
mod warehouse;

pub use clock::{Clock, FixedClock, SystemClock};
pub use compile::{Shape, Statement, census, compile, compile_as, literal, probe};
pub use config::{Config, ConfigError, DatabaseConfig, DirectoryConfig};
pub use cutoff::{Bounds, Cutoff, expires_at, smallest_id, time_of_id, utc_day};
pub use embedded::{
    Embedded, EmbeddedError, EmbeddedOptions, EmbeddedUser, FetchPhase, FetchProgress,
    LibchdbError, clickhouse_server_main, ensure_libchdb,
};
pub use engine::{
    CycleReport, CycleStatus, Engine, EngineError, Event, Rulebook, StepOutcomeKind, StepReport,
};
pub use ledger::{
    CreatedRule, CycleRecord, CycleStart, Deactivation, DirectoryError, ImportRule, ImportedRules,
    Ledger, LedgerError, NewRule, RuleRecord, StepIntent, StepOutcome, StepRecord, connect_ledger,
    read_directory,
};
pub use pace::Pacer;
pub use plan::{
    Arm, CensusRow, DueRow, Limits, Method, Packed, Plan, PlannedRule, Projects, Refusal, Snapshot,
    Step, TableInventory, TablePlan, Totals, Unprobed, candidates, decide, pack,
};
pub use resolve::{AmbiguousWorkspace, Directory, Policies, Policy, Trail, resolve};
pub use rule::{
    Days, Periods, Retention, RetentionError, Rule, RuleEntry, RuleFileError, RuleId, RuleProblem,
    RuleReader, RuleSet, RuleSetError, Scope,
};
pub use target::{
    Age, AgeColumn, AgeKind, CheckedKeep, CheckedTarget, Column, Comparison, Keep, NameColumn,
    ProjectionMode, TableSchema, Target, TargetProblem, TextKind,
};
pub use verify::{Verdict, judge};
pub use warehouse::{
    Execution, GrantNeed, MARKER_PREFIX, MINIMUM_VERSION, MutationState, Privilege, Request,
    ServerInfo, Shard, ShardOptions, Warehouse, WarehouseError, parse_version, supports,
};
