//! Resolution: the most specific rule wins. Project, then workspace, then organization, then the
//! default of the config.
//!
//! Invariant: a pure function of rules, directory and default, independent of their order. A rule
//! that loses has no effect; `unlimited` is a rule like any other.

mod directory;
mod history;
mod policy;

use std::sync::Arc;

use crate::rule::{Retention, Rule, RuleSet};

pub use directory::{AmbiguousWorkspace, Directory};
pub use history::History;
pub use policy::{Fate, Policy, Trail};

/// Resolves rules: what holds for any workspace or project can be asked of the result.
///
/// ```
/// use ebbtide::{Days, Directory, Periods, Retention, RuleSet, resolve};
/// let periods = Periods::new([("base_60d", Days::new(60)?)], Days::new(1)?)?;
/// let rules = RuleSet::parse(
///     "- {organization: acme, retention: base_60d}\n\
///      - {workspace: w1, retention: unlimited}\n",
///     &periods,
///     "2026-11-21T00:00:00Z".parse()?,
/// )?;
/// let directory = Directory::new([("w1", "acme"), ("w2", "acme")])?;
/// let policies = resolve(&rules, &directory, &Retention::Unlimited);
/// assert_eq!(policies.workspace("w1").retention.to_string(), "unlimited");
/// assert_eq!(policies.workspace("w2").retention.to_string(), "base_60d");
/// assert_eq!(policies.workspace("w3").trail.winner(), None, "the default");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn resolve<'a>(
    rules: &'a RuleSet,
    directory: &'a Directory,
    default: &'a Retention,
) -> Policies<'a> {
    let of_organization = |name: &Arc<str>| rules.organization(name);
    Policies {
        rules,
        directory,
        default,
        by_organization: directory
            .organizations
            .iter()
            .map(of_organization)
            .collect(),
    }
}

/// The outcome of resolution.
#[derive(Debug, Clone)]
pub struct Policies<'a> {
    rules: &'a RuleSet,
    directory: &'a Directory,
    default: &'a Retention,
    /// The rules of the directory's organizations, in its order.
    by_organization: Vec<Option<&'a Rule>>,
}

impl<'a> Policies<'a> {
    /// What holds for the rows of a workspace that belong to no project with a rule of its own.
    pub fn workspace(&self, workspace: &str) -> Policy<'a> {
        self.decide(None, workspace)
    }

    /// What holds for the rows of one project.
    pub fn project(&self, workspace: &str, project: &str) -> Policy<'a> {
        self.decide(self.rules.project(workspace, project), workspace)
    }

    /// What holds for the rows of one project, if one is named, or else of the workspace.
    pub fn of(&self, workspace: &str, project: Option<&str>) -> Policy<'a> {
        match project {
            Some(project) => self.project(workspace, project),
            None => self.workspace(workspace),
        }
    }

    /// The projects of a workspace with a rule of their own, ordered by name.
    pub fn projects(&self, workspace: &str) -> impl Iterator<Item = (&'a Arc<str>, Policy<'a>)> {
        self.rules
            .projects(workspace)
            .map(move |(project, rule)| (project, self.decide(Some(rule), workspace)))
    }

    /// The rules that were resolved.
    pub fn rules(&self) -> &'a RuleSet {
        self.rules
    }

    /// What holds where no rule does.
    pub fn default_retention(&self) -> &'a Retention {
        self.default
    }

    /// The organization of a workspace, if the directory knows it.
    pub fn organization_of(&self, workspace: &str) -> Option<&'a Arc<str>> {
        self.directory.organization_of(workspace)
    }

    fn decide(&self, project: Option<&'a Rule>, workspace: &str) -> Policy<'a> {
        let organization = self.directory.of.get(workspace);
        let candidates = [
            project,
            self.rules.workspace(workspace),
            organization.and_then(|index| self.by_organization.get(*index).copied().flatten()),
        ];
        let trail = Trail { candidates };
        Policy {
            retention: trail.winner().map_or(self.default, |rule| &rule.retention),
            trail,
        }
    }
}

#[cfg(test)]
mod tests;
