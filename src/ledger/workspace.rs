//! The directory of workspaces, as the ledger keeps it.

use std::sync::Arc;

use async_trait::async_trait;

use super::LedgerError;

/// The ledger, as far as it is about the directory of workspaces.
#[async_trait]
pub trait WorkspaceLedger: Send + Sync {
    /// Adds or moves workspaces, pairs of workspace and organization, all in one transaction or,
    /// if the iterator yields an error, none; returns how many were added or moved.
    async fn put_workspaces(
        &self,
        pairs: &mut (dyn Iterator<Item = Result<(Arc<str>, Arc<str>), String>> + Send),
        by: &str,
    ) -> Result<u64, LedgerError>;
    /// Streams the directory as pairs of workspace and organization.
    async fn each_workspace(
        &self,
        visit: &mut (dyn FnMut(String, String) + Send),
    ) -> Result<(), LedgerError>;
}
