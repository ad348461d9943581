//! What the engine asks of the metadata database: rules, the directory of workspaces, guards, leases,
//! plans under review, and the record of what was done. Two implementations keep the same contract:
//! SQLite and MySQL.
//!
//! Invariant: every change is one transaction, which also appends one entry to the hash chain. A
//! change of rules, directory, holds, pauses or settings raises the revision in that transaction. The
//! database itself guarantees that a scope has one active rule.

mod approval;
mod author;
mod connect;
mod cycle;
mod directory;
mod error;
mod fact;
mod hold;
mod import;
mod lease;
mod look;
mod migrations;
mod mysql;
mod pause;
mod quarantine;
mod record;
mod remains;
mod row;
mod rule;
mod settings;
mod sqlite;
mod step;
mod witness;
mod workspace;

use async_trait::async_trait;
use jiff::Timestamp;

pub use approval::{
    Approval, NewApproval, NewPlan, PlanApproval, PlanLedger, PlanRecord, PlanStatus,
};
pub use author::{Author, Created, RequestKey};
pub use connect::{connect_ledger, open_ledger};
pub use cycle::{CycleLedger, CycleRecord, CycleStart};
pub use directory::{DirectoryError, read_directory};
pub use error::LedgerError;
pub use hold::{HoldLedger, HoldRecord, NewHold};
pub use lease::{CYCLE_LEASE, Lease, LeaseAttempt, LeaseLedger};
pub use look::{Look, LookLedger};
pub use mysql::TellPassword;
pub use pause::{NewPause, PauseLedger, PauseRecord};
pub use quarantine::{
    NewQuarantine, QuarantineChange, QuarantineLedger, QuarantineRecord, QuarantineState,
};
pub use record::{MutationKill, PrunedRecord, RecordLedger};
pub use remains::{RemainsLedger, RemainsNote};
pub use rule::{
    CreatedRule, Deactivation, ImportRule, ImportedRules, NewRule, RuleLedger, RuleRecord,
};
pub use settings::SettingsLedger;
pub use step::{DeletedRows, Intended, StepIntent, StepLedger, StepOutcome, StepRecord};
pub use witness::Witness;
pub use workspace::WorkspaceLedger;

/// The metadata database: what is about one topic is a trait of its own, and this is all of them.
#[async_trait]
pub trait Ledger:
    RuleLedger
    + SettingsLedger
    + HoldLedger
    + PauseLedger
    + LeaseLedger
    + PlanLedger
    + WorkspaceLedger
    + CycleLedger
    + StepLedger
    + QuarantineLedger
    + LookLedger
    + RemainsLedger
    + RecordLedger
{
    /// Brings the schema up to date; returns the names of the migrations that were applied.
    async fn migrate(&self) -> Result<Vec<String>, LedgerError>;
    /// Fails with [`LedgerError::NotMigrated`] or [`LedgerError::TooNew`] unless the schema is
    /// exactly the one this version knows.
    async fn check_schema(&self) -> Result<(), LedgerError>;
    /// A number that grows with every change of rules, directory, holds, pauses or settings.
    async fn revision(&self) -> Result<u64, LedgerError>;
    /// The time, by the clock of the database.
    async fn now(&self) -> Result<Timestamp, LedgerError>;
    /// The revision that held at an instant of the database's clock; nothing before the first.
    async fn revision_at(&self, at: Timestamp) -> Result<Option<u64>, LedgerError>;
}
