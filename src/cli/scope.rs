//! Scopes on the command line: an organization, a workspace, or a project of a workspace.

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use crate::config::Config;
use crate::rule::Scope;

#[derive(Debug, Args)]
#[group(id = "scope", required = true, multiple = true)]
pub(super) struct ScopeArgs {
    /// Every workspace of this organization.
    #[arg(long, value_name = "O", allow_hyphen_values = true, conflicts_with_all = ["workspace", "project"])]
    organization: Option<String>,
    /// This workspace.
    #[arg(long, value_name = "W", allow_hyphen_values = true)]
    workspace: Option<String>,
    /// Only this project of the workspace.
    #[arg(
        long,
        value_name = "P",
        allow_hyphen_values = true,
        requires = "workspace"
    )]
    project: Option<String>,
}

impl ScopeArgs {
    pub(super) fn scope(&self) -> anyhow::Result<Scope> {
        Ok(match (&self.organization, &self.workspace, &self.project) {
            (Some(name), None, None) => Scope::Organization(name.as_str().into()),
            (None, Some(name), None) => Scope::Workspace(name.as_str().into()),
            (None, Some(workspace), Some(project)) => Scope::Project {
                workspace: workspace.as_str().into(),
                project: project.as_str().into(),
            },
            _ => bail!("name either --organization, or --workspace with or without --project"),
        })
    }
}

/// A scope with the keys of the YAML format.
#[derive(Debug, Default, Serialize)]
pub(super) struct ScopeView {
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
}

impl From<&Scope> for ScopeView {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::Organization(name) => Self {
                organization: Some(name.to_string()),
                ..Self::default()
            },
            Scope::Workspace(name) => Self {
                workspace: Some(name.to_string()),
                ..Self::default()
            },
            Scope::Project { workspace, project } => Self {
                workspace: Some(workspace.to_string()),
                project: Some(project.to_string()),
                organization: None,
            },
        }
    }
}

/// A project needs a project column in every target, or nobody could say which rows it means.
pub(super) fn check_project(scope: &Scope, what: &str, config: &Config) -> anyhow::Result<()> {
    let without = config
        .targets
        .iter()
        .find(|target| target.project.is_none());
    match (scope, without) {
        (Scope::Project { .. }, Some(target)) => bail!(
            "{scope} cannot have a {what}: target {} has no project column; add targets[].project \
             to the config",
            target.table
        ),
        _ => Ok(()),
    }
}
