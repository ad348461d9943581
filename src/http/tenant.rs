//! Whose data a token sees: a scope is its own, or does not exist for it.

use super::access::Caller;
use super::problem::{Answer, Problem};
use crate::config::Tenant;
use crate::guard::PauseScope;
use crate::resolve::Directory;
use crate::rule::Scope;

impl Caller {
    /// Whether the token is bound to one organization or workspace.
    pub(super) fn is_bound(&self) -> bool {
        self.tenant != Tenant::All
    }

    /// Whether the directory decides what the token sees. Where it is missing, that is nothing.
    pub(super) fn needs_directory(&self) -> bool {
        matches!(self.tenant, Tenant::Organization(_))
    }

    /// Whether a scope is within what the token sees and touches.
    pub(super) fn owns(&self, scope: &Scope, directory: Option<&Directory>) -> bool {
        match (&self.tenant, scope) {
            (Tenant::All, _) => true,
            (Tenant::Organization(own), Scope::Organization(name)) => own == name,
            (Tenant::Workspace(_), Scope::Organization(_)) => false,
            (_, Scope::Workspace(workspace) | Scope::Project { workspace, .. }) => {
                self.owns_workspace(workspace, directory)
            }
        }
    }

    /// Whether a workspace is.
    pub(super) fn owns_workspace(&self, workspace: &str, directory: Option<&Directory>) -> bool {
        match &self.tenant {
            Tenant::All => true,
            Tenant::Organization(own) => {
                directory.and_then(|directory| directory.organization_of(workspace)) == Some(own)
            }
            Tenant::Workspace(own) => &**own == workspace,
        }
    }

    /// Whether what a pause stops is.
    pub(super) fn owns_pause(&self, scope: &PauseScope, directory: Option<&Directory>) -> bool {
        match scope {
            PauseScope::Everything | PauseScope::Target(_) => !self.is_bound(),
            PauseScope::Workspace(workspace) => self.owns_workspace(workspace, directory),
        }
    }

    /// Refuses to create something outside of what the token touches.
    pub(super) fn must_own(&self, scope: &Scope, directory: Option<&Directory>) -> Answer<()> {
        if self.owns(scope, directory) {
            return Ok(());
        }
        Err(Problem::forbidden(match &self.tenant {
            Tenant::Organization(own) => format!(
                "the token is bound to organization {own:?} and the workspaces that the directory \
                 places in it"
            ),
            Tenant::Workspace(own) => format!("the token is bound to workspace {own:?}"),
            Tenant::All => String::new(),
        }))
    }
}
