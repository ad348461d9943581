//! Plans that wait for a person, and what was approved.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::{Author, LedgerError, RequestKey};

/// The ledger, as far as it is about plans and their approval.
#[async_trait]
pub trait PlanLedger: Send + Sync {
    /// Records an approval in the transaction that looks at the revision. Does not raise it.
    async fn approve(&self, approval: &NewApproval, by: &str) -> Result<Approval, LedgerError>;
    /// The latest revision that was approved.
    async fn approved_revision(&self) -> Result<Option<u64>, LedgerError>;
    /// Keeps a plan for review, as `pending`. Does not raise the revision.
    async fn keep_plan(&self, plan: &NewPlan, by: Author<'_>) -> Result<String, LedgerError>;
    /// The plan that a request has kept before, if it has within a day.
    async fn kept_by(&self, request: &RequestKey) -> Result<Option<String>, LedgerError>;
    /// Kept plans before an id (or from the latest), newest first.
    async fn plans_before(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PlanRecord>, LedgerError>;
    /// A kept plan and its body.
    async fn kept_plan(&self, id: &str) -> Result<Option<(PlanRecord, String)>, LedgerError>;
    /// Approves a kept plan: as [`PlanLedger::approve`], and marks it.
    async fn approve_plan(
        &self,
        id: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<PlanApproval, LedgerError>;
    /// Says where a kept plan stands; one that was applied or is stale stays so. No entry of the
    /// record: the cycle of a plan that is applied is one.
    async fn mark_plan(&self, id: &str, status: PlanStatus) -> Result<(), LedgerError>;
}

/// An approval: whoever gave it looked at a plan made from this revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApproval {
    /// The revision that the plan was made from. It must still be the ledger's.
    pub revision: u64,
    /// The digest of the plan.
    pub plan_digest: String,
    /// When.
    pub at: Timestamp,
}

/// What became of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// It is recorded.
    Done,
    /// The ledger has moved on since the plan was made.
    Stale {
        /// The revision of the ledger.
        revision: u64,
    },
}

/// A plan to be kept for review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlan {
    /// A UUIDv7.
    pub id: String,
    /// Its digest.
    pub digest: String,
    /// The revision it was made from.
    pub revision: u64,
    /// Rows that it would delete.
    pub n_due: u64,
    /// The plan as JSON.
    pub body: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where a kept plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// It waits for an approval.
    Pending,
    /// It was approved and waits to be applied.
    Approved,
    /// It was applied; its cycle says how that went.
    Applied,
    /// The world changed before it was applied.
    Stale,
}

impl PlanStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Applied => "applied",
            Self::Stale => "stale",
        }
    }
}

/// A kept plan without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRecord {
    /// A UUIDv7.
    pub id: String,
    /// Its digest.
    pub digest: String,
    /// The revision it was made from.
    pub revision: u64,
    /// Rows that it would delete.
    pub n_due: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who had it made.
    pub created_by: String,
    /// Where it stands.
    pub status: PlanStatus,
    /// When and by whom it was approved, if it was.
    pub approved: Option<(Timestamp, String)>,
}

/// What became of approving a kept plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanApproval {
    /// It is approved now.
    Done,
    /// It was approved before, or even applied.
    Already,
    /// The ledger has moved on since the plan was made; it is marked stale.
    Stale {
        /// The revision of the ledger.
        revision: u64,
    },
    /// There is no such plan.
    NotFound,
}
