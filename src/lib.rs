//! Ebbtide: data retention for analytics kept in ClickHouse. Rules in, the cheapest correct deletes
//! out, each of them planned, paced, verified and recorded.
//!
//! # The pipeline
//!
//! ```text
//! rules + directory ──resolve──▶ policies ──cutoff(now)──▶ bounds ─┐
//! warehouse ──probe──▶ inventory ──────────────────────────────────┴─decide──▶ Plan ──compile──▶ statements
//! apply: for each step: guards → intent recorded → pace → execute → verify → outcome recorded ──▶ CycleReport
//! ```
//!
//! Every arrow is a function of this crate: [`RuleSet::parse`], [`resolve()`], [`Cutoff::at`],
//! [`candidates`], [`decide`], [`compile()`], [`judge`], and [`Engine::plan`] and [`Engine::apply`],
//! which chain them over a real warehouse and a real ledger.
//!
//! # The layers
//!
//! The core (`rule`, `resolve`, `cutoff`, `target`, `guard`, `slot`, `plan`, `compile`, `verify`,
//! `audit`) is pure: no async,
//! no clock, no I/O beyond reading from a given reader, no environment. The shell (`config`, `clock`,
//! `sql`, `warehouse`, `ledger`, `pace`, `engine`, `schedule`, `http`, `telemetry`, `cli`, `embedded`) may use the core; never the
//! other way round. `now` is an argument everywhere.
//!
//! # The pure stages, without any server
//!
//! ```
//! use ebbtide::*;
//!
//! let now = "2026-11-21T10:00:00Z".parse()?;
//! let periods = Periods::new([("base_60d", Days::new(60)?)], Days::new(1)?)?;
//! let rules = RuleSet::parse("- {organization: acme, retention: base_60d}", &periods, now)?;
//! let directory = Directory::new([("w1", "acme")])?;
//! let policies = resolve(&rules, &directory, &Retention::Unlimited);
//!
//! // What the server says about the table, and what a census found in it.
//! let column = |name: &str, type_name: &str| Column {
//!     name: name.into(),
//!     type_name: type_name.into(),
//!     made_by: None,
//! };
//! let schema = TableSchema {
//!     database: "default".into(),
//!     name: "traces".into(),
//!     engine: "MergeTree".into(),
//!     sorting_key: "workspace_id, id".into(),
//!     columns: vec![column("workspace_id", "String"), column("id", "FixedString(36)")],
//!     ..TableSchema::default()
//! };
//! let target = Target {
//!     table: "traces".into(),
//!     workspace: "workspace_id".into(),
//!     project: None,
//!     age: Age::UuidV7("id".into()),
//!     keep: vec![],
//!     projections: None,
//!     method: MethodChoice::Auto,
//!     quarantine: None,
//! };
//! let target = target.check(Some(&schema), |_| None, false).map_err(|problems| format!("{problems:?}"))?;
//! let census = [CensusRow {
//!     workspace: "w1".into(),
//!     is_readable: true,
//!     n_rows: 1_000,
//!     n_undatable: 0,
//!     n_future: 0,
//!     oldest_ms: Some(0),
//! }];
//! let terms = Terms::new(&policies, now);
//! let mut arms = candidates(&target, &census, &terms).due;
//! arms[0].n_due = 400; // what a probe counts
//!
//! let inventory = TableInventory {
//!     shard: "http://127.0.0.1:8123".into(),
//!     table: "traces".into(),
//!     totals: Totals::of(&census),
//!     arms,
//!     ..TableInventory::default()
//! };
//! let snapshot = Snapshot {
//!     terms: &terms,
//!     revision: 1,
//!     tables: vec![(&target, inventory)],
//!     unprobed: vec![],
//! };
//! let plan = decide(snapshot, &Limits::default());
//! assert_eq!(plan.steps.len(), 1);
//! let statement = compile(&target, &plan.steps[0].arms, "ebbtide:retention:traces:1");
//! assert!(statement.sql.starts_with("DELETE FROM `default`.`traces`"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
pub mod cli;
mod clock;
mod compile;
mod config;
mod cutoff;
mod embedded;
mod engine;
mod guard;
pub mod http;
mod ledger;
mod pace;
mod plan;
mod resolve;
mod rule;
mod schedule;
mod slot;
mod sql;
mod target;
mod telemetry;
mod verify;
mod warehouse;

pub use audit::{Chain, Entry, Fact, Flaw, Head, NotCanonical, canonical, seal};
pub use clock::{Clock, FixedClock, SystemClock};
pub use compile::{
    About, Apart, Shape, Statement, Within, census, compile, compile_as, compile_step, literal,
    preview, probe, strays,
};
pub use config::{
    ApiConfig, ApprovalMode, Config, ConfigError, DatabaseConfig, DirectoryConfig, LogFormat,
    ReclaimConfig, Role, ServeConfig, SlotsPerDay, Tenant, TlsFiles, Token, TraceExport,
};
pub use cutoff::{Bounds, Cutoff, expires_at, smallest_id, time_of_id, utc_day};
pub use embedded::{
    Embedded, EmbeddedError, EmbeddedOptions, EmbeddedUser, FetchPhase, FetchProgress,
    LibchdbError, clickhouse_server_main, ensure_libchdb,
};
pub use engine::{
    Backfilled, Backfilling, BaseBook, CycleKind, CycleReport, CycleStatus, Engine, EngineError,
    Event, Expired, PlanRequest, Preview, PreviewTable, ReclaimReport, Reclaimed, RuleChange,
    Rulebook, SeenRemains, StepOutcomeKind, StepReport, Tenure, Undone, UnseenTable,
};
pub use guard::{Guards, Hold, HoldRange, PauseScope};
pub use ledger::{
    Approval, Author, CYCLE_LEASE, Created, CreatedRule, CycleLedger, CycleRecord, CycleStart,
    Deactivation, DeletedRows, DirectoryError, HoldLedger, HoldRecord, ImportRule, ImportedRules,
    Intended, Lease, LeaseAttempt, LeaseLedger, Ledger, LedgerError, Look, LookLedger,
    MutationKill, NewApproval, NewHold, NewPause, NewPlan, NewQuarantine, NewRule, PauseLedger,
    PauseRecord, PlanApproval, PlanLedger, PlanRecord, PlanStatus, PrunedRecord, QuarantineChange,
    QuarantineLedger, QuarantineRecord, QuarantineState, RecordLedger, RemainsLedger, RemainsNote,
    RequestKey, RuleLedger, RuleRecord, SettingsLedger, StepIntent, StepLedger, StepOutcome,
    StepRecord, TellPassword, Witness, WorkspaceLedger, connect_ledger, open_ledger,
    read_directory,
};
pub use pace::{
    Decision, Held, NoWindow, PaceConfig, Pacer, Readings, Signal, Thresholds, Wait, Window,
    decide as decide_pace,
};
pub use plan::{
    Ages, Arm, Backfill, Base, Basis, Bucket, Budget, ByHand, Candidates, Cell, Census, CensusCell,
    CensusRow, Choice, Deferred, Disk, DueRow, Extent, Facts, Histogram, KeptBy, Limits, Method,
    Obstacle, Packed, Partition, Plan, PlannedRule, PlannedTarget, Projects, Rate, Rates, Reclaim,
    ReclaimLimits, Refusal, Remains, Snapshot, Step, StepCost, TableInventory, TablePlan,
    TableRows, Terms, Totals, Uncounted, Unprobed, candidates, choose, decide, for_everybody,
    highest_cutoff_ms, inside, pack, rows_per_second, time_left, weigh,
};
pub use resolve::{AmbiguousWorkspace, Directory, Fate, History, Policies, Policy, Trail, resolve};
pub use rule::{
    Days, Periods, Retention, RetentionError, Rule, RuleEntry, RuleFileError, RuleId, RuleProblem,
    RuleReader, RuleSet, RuleSetError, Scope,
};
pub use schedule::{Live, Phase, ReloadError, Reloader, Sidecar, Status, Stop, TargetStatus};
pub use slot::{
    N_PLACES, SlotRange, due_places, next_due, place, slot_at, slot_start, slots_per_day,
};
pub use target::{
    Age, AgeColumn, AgeKind, CheckedKeep, CheckedTarget, Column, Comparison, Keep, MethodChoice,
    NameColumn, Period, ProjectionMode, Quarantine, QuarantineTable, TableSchema, Target,
    TargetChange, TargetProblem, TextKind, Ways,
};
pub use telemetry::{Logging, METRICS, Metric, MetricKind, Metrics, start_logging};
pub use verify::{Verdict, judge};
pub use warehouse::{
    Execution, GrantNeed, MARKER_PREFIX, MINIMUM_VERSION, MutationState, Privilege, Request,
    ServerInfo, Shard, ShardOptions, Warehouse, WarehouseError, marker, parse_version, supports,
};
