//! The active rules, at most one per scope, indexed by what they apply to.

use std::collections::hash_map::Entry;
use std::io::Read;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Periods, Rule, RuleFileError, RuleId, RuleProblem, RuleReader, Scope};

/// All active rules, at most one per scope.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    organizations: HashMap<Arc<str>, usize>,
    workspaces: HashMap<Arc<str>, usize>,
    /// Per workspace its project rules, ordered by project.
    projects: HashMap<Arc<str>, Vec<usize>>,
}

impl RuleSet {
    /// Indexes rules. The order in which they come has no meaning.
    ///
    /// # Errors
    /// [`RuleSetError::Ambiguous`] when two rules have the same scope.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Result<Self, RuleSetError> {
        let rules: Vec<Rule> = rules.into_iter().collect();
        let mut organizations = HashMap::new();
        let mut workspaces = HashMap::new();
        let mut projects: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        let ambiguous = |first: usize, second: &Rule| RuleSetError::Ambiguous {
            scope: second.scope.clone(),
            first: rules.get(first).map_or(0, |rule| rule.id),
            second: second.id,
        };
        for (index, rule) in rules.iter().enumerate() {
            let (map, name) = match &rule.scope {
                Scope::Organization(name) => (&mut organizations, name),
                Scope::Workspace(name) => (&mut workspaces, name),
                Scope::Project { workspace, .. } => {
                    projects
                        .entry(Arc::clone(workspace))
                        .or_default()
                        .push(index);
                    continue;
                }
            };
            match map.entry(Arc::clone(name)) {
                Entry::Vacant(free) => free.insert(index),
                Entry::Occupied(taken) => return Err(ambiguous(*taken.get(), rule)),
            };
        }
        for indices in projects.values_mut() {
            indices.sort_by_key(|index| rules.get(*index).map(|rule| &rule.scope));
            for pair in indices.windows(2) {
                if let [first, second] = pair
                    && let (Some(a), Some(b)) = (rules.get(*first), rules.get(*second))
                    && a.scope == b.scope
                {
                    return Err(ambiguous(*first, b));
                }
            }
        }
        Ok(Self {
            rules,
            organizations,
            workspaces,
            projects,
        })
    }

    /// The same with more rules.
    pub(crate) fn with(self, more: impl IntoIterator<Item = Rule>) -> Result<Self, RuleSetError> {
        Self::new(self.rules.into_iter().chain(more))
    }

    /// Reads a YAML list of rules, the format of `rules import`. Rules are numbered from 1 in the
    /// order of the file; `now` is the creation time of those that state none.
    ///
    /// ```
    /// use ebbtide::{Days, Periods, RuleSet};
    /// let periods = Periods::new([("base_60d", Days::new(60)?)], Days::new(1)?)?;
    /// let now = "2026-11-21T00:00:00Z".parse()?;
    /// let rules = RuleSet::parse(
    ///     "- {organization: acme, retention: base_60d}\n\
    ///      - {workspace: w1, retention: unlimited}\n",
    ///     &periods,
    ///     now,
    /// )?;
    /// assert_eq!(rules.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RuleFileError`] with every bad line.
    pub fn parse(yaml: &str, periods: &Periods, now: Timestamp) -> Result<Self, RuleFileError> {
        Self::read(yaml.as_bytes(), periods, now)
    }

    /// [`RuleSet::parse`] from a reader.
    ///
    /// # Errors
    /// [`RuleFileError`] with every bad line.
    pub fn read(
        input: impl Read,
        periods: &Periods,
        now: Timestamp,
    ) -> Result<Self, RuleFileError> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut problems: Vec<RuleProblem> = Vec::new();
        for item in RuleReader::new(input, periods) {
            match item {
                Ok(entry) => rules.push(Rule {
                    id: RuleId::try_from(rules.len())
                        .unwrap_or(RuleId::MAX)
                        .saturating_add(1),
                    scope: entry.scope,
                    retention: entry.retention,
                    apply_to_past: entry.apply_to_past,
                    created_at: entry.created_at.unwrap_or(now),
                }),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(RuleFileError { problems });
        }
        // The reader reports a scope that occurs twice, so the set cannot be ambiguous.
        Self::new(rules).map_err(|error| RuleFileError {
            problems: vec![RuleProblem {
                line: 0,
                column: 0,
                message: error.to_string(),
            }],
        })
    }

    /// The number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Every rule, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rule of exactly this scope.
    pub(crate) fn of(&self, scope: &Scope) -> Option<&Rule> {
        match scope {
            Scope::Organization(name) => self.organization(name),
            Scope::Workspace(name) => self.workspace(name),
            Scope::Project { workspace, project } => self.project(workspace, project),
        }
    }

    /// The rule of an organization.
    pub fn organization(&self, name: &str) -> Option<&Rule> {
        self.organizations
            .get(name)
            .and_then(|index| self.rules.get(*index))
    }

    /// The rule of a workspace.
    pub fn workspace(&self, name: &str) -> Option<&Rule> {
        self.workspaces
            .get(name)
            .and_then(|index| self.rules.get(*index))
    }

    /// The project rules of a workspace, ordered by project.
    pub fn projects(&self, workspace: &str) -> impl Iterator<Item = (&Arc<str>, &Rule)> {
        self.projects
            .get(workspace)
            .into_iter()
            .flatten()
            .filter_map(|index| {
                let rule = self.rules.get(*index)?;
                match &rule.scope {
                    Scope::Project { project, .. } => Some((project, rule)),
                    Scope::Organization(_) | Scope::Workspace(_) => None,
                }
            })
    }

    /// The rule of one project.
    pub fn project(&self, workspace: &str, project: &str) -> Option<&Rule> {
        let indices = self.projects.get(workspace)?;
        let name_of = |index: &usize| match self.rules.get(*index).map(|rule| &rule.scope) {
            Some(Scope::Project { project, .. }) => &**project,
            _ => "",
        };
        let at = indices
            .binary_search_by(|index| name_of(index).cmp(project))
            .ok()?;
        self.rules.get(*indices.get(at)?)
    }

    /// Any project rule, if there is one: targets then need a project column.
    pub fn any_project(&self) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| matches!(rule.scope, Scope::Project { .. }))
    }

    /// SHA-256 over everything the rules mean, in hexadecimal, independent of their order.
    pub fn digest(&self) -> String {
        let mut lines: Vec<[u8; 32]> = self
            .rules
            .iter()
            .map(|rule| {
                let mut hasher = Sha256::new();
                rule.scope.feed(&mut hasher);
                let days = rule.retention.days().map_or(0, super::Days::get);
                hasher.update(format!("{days} {} {}", rule.apply_to_past, rule.created_at));
                hasher.finalize().into()
            })
            .collect();
        lines.sort_unstable();
        let mut hasher = Sha256::new();
        for line in lines {
            hasher.update(line);
        }
        format!("{:x}", hasher.finalize())
    }
}

/// Why rules do not form a set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleSetError {
    /// Two active rules claim one scope, so which one holds is unknown.
    #[error("rules {first} and {second} are both active for {scope}; deactivate one of them")]
    Ambiguous {
        /// The scope.
        scope: Scope,
        /// One rule.
        first: RuleId,
        /// The other.
        second: RuleId,
    },
}
