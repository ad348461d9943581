//! Resolution: the most specific rule wins. Project, then workspace, then organization, then the
//! default of the config.
//!
//! Invariant: a pure function of rules, directory and default, independent of their order. A rule
//! that loses has no effect; `unlimited` is a rule like any other.

mod history;

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use jiff::Timestamp;

use crate::cutoff::Bounds;
use crate::rule::{Retention, Rule, RuleSet};

pub use history::History;

/// Which workspaces belong to which organization. A workspace that it does not know has none.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    organizations: Vec<Arc<str>>,
    of: HashMap<Box<str>, usize>,
}

impl Directory {
    /// From pairs of workspace and organization.
    ///
    /// # Errors
    /// [`AmbiguousWorkspace`] when two organizations claim one workspace.
    pub fn new<W: Into<Box<str>>, O: AsRef<str>>(
        pairs: impl IntoIterator<Item = (W, O)>,
    ) -> Result<Self, AmbiguousWorkspace> {
        let mut directory = Self::default();
        let mut indices: HashMap<Arc<str>, usize> = HashMap::new();
        for (workspace, organization) in pairs {
            let organization = organization.as_ref();
            let index = if let Some(index) = indices.get(organization) {
                *index
            } else {
                let name: Arc<str> = organization.into();
                directory.organizations.push(Arc::clone(&name));
                indices.insert(name, directory.organizations.len() - 1);
                directory.organizations.len() - 1
            };
            match directory.of.entry(workspace.into()) {
                Entry::Vacant(free) => {
                    free.insert(index);
                }
                Entry::Occupied(taken) if *taken.get() == index => {}
                Entry::Occupied(taken) => {
                    let first = directory.organizations.get(*taken.get());
                    return Err(AmbiguousWorkspace {
                        workspace: taken.key().to_string(),
                        first: first.map(ToString::to_string).unwrap_or_default(),
                        second: organization.to_owned(),
                    });
                }
            }
        }
        Ok(directory)
    }

    /// The organization of a workspace.
    pub fn organization_of(&self, workspace: &str) -> Option<&Arc<str>> {
        self.of
            .get(workspace)
            .and_then(|index| self.organizations.get(*index))
    }

    /// The number of workspaces that it knows.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether it knows no workspace.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

/// A workspace that two organizations claim: which rules hold for it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the directory places workspace {workspace:?} in {first:?} and in {second:?}; a workspace has one organization"
)]
pub struct AmbiguousWorkspace {
    /// The workspace.
    pub workspace: String,
    /// One organization.
    pub first: String,
    /// The other.
    pub second: String,
}

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

/// What holds for one workspace or project, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy<'a> {
    /// How long rows are kept.
    pub retention: &'a Retention,
    /// Which rules were considered.
    pub trail: Trail<'a>,
}

impl Policy<'_> {
    /// The interval in which rows are expired, or nothing when none can be.
    pub fn bounds(&self, now: Timestamp) -> Option<Bounds> {
        let from = self.trail.winner().filter(|rule| !rule.apply_to_past);
        Bounds::new(now, self.retention.days(), from.map(|rule| rule.created_at))
    }
}

/// The rules that spoke for a workspace or project, the most specific first. The first one won; if
/// there is none, the default holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trail<'a> {
    candidates: [Option<&'a Rule>; 3],
}

impl<'a> Trail<'a> {
    /// The rule that won, or nothing where the default of the config holds.
    pub fn winner(&self) -> Option<&'a Rule> {
        self.rules().next()
    }

    /// The rules that lost to a more specific one.
    pub fn losers(&self) -> impl Iterator<Item = &'a Rule> {
        self.rules().skip(1)
    }

    fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        self.candidates.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Days, Scope};
    use proptest::prelude::*;

    const NOW: &str = "2026-11-21T10:00:00Z";

    fn retention() -> impl Strategy<Value = Retention> {
        prop_oneof![
            Just(Retention::Unlimited),
            (1_u32..90).prop_map(|days| Retention::Days {
                days: Days::new(days).unwrap(),
                period: None
            }),
        ]
    }

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "", "A", "a "]).prop_map(Into::into)
    }

    fn scope() -> impl Strategy<Value = Scope> {
        prop_oneof![
            name().prop_map(|name| Scope::Organization(name.into())),
            name().prop_map(|name| Scope::Workspace(name.into())),
            (name(), name()).prop_map(|(workspace, project)| Scope::Project {
                workspace: workspace.into(),
                project: project.into(),
            }),
        ]
    }

    /// Rules with distinct scopes.
    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        prop::collection::btree_map(scope(), (retention(), any::<bool>(), 0_i64..100), 0..20)
            .prop_map(|rules| {
                let rule = |(id, (scope, (retention, apply_to_past, age)))| Rule {
                    id,
                    scope,
                    retention,
                    apply_to_past,
                    created_at: NOW.parse::<Timestamp>().unwrap()
                        - jiff::SignedDuration::from_hours(24 * age),
                };
                (1..).zip(rules).map(rule).collect()
            })
    }

    fn directory() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::btree_map(name(), name(), 0..5).prop_map(|map| map.into_iter().collect())
    }

    /// What holds for every workspace and project there is.
    fn all(policies: &Policies<'_>) -> Vec<(String, Option<u64>, Option<Bounds>)> {
        let names = ["a", "b", "", "A", "a ", "nobody"];
        let now = NOW.parse().unwrap();
        let line = |policy: Policy<'_>| {
            let losers: Vec<u64> = policy.trail.losers().map(|rule| rule.id).collect();
            let winner = policy.trail.winner().map(|rule| rule.id);
            (
                format!("{} {losers:?}", policy.retention),
                winner,
                policy.bounds(now),
            )
        };
        let of = |workspace: &'static str| {
            let projects = names.map(|project| line(policies.project(workspace, project)));
            projects
                .into_iter()
                .chain([line(policies.workspace(workspace))])
        };
        names.into_iter().flat_map(of).collect()
    }

    proptest! {
        #[test]
        fn the_order_of_rules_and_directory_has_no_meaning(
            rules in rules(),
            pairs in directory(),
            default in retention(),
            seed: u64,
        ) {
            let mut shuffled = rules.clone();
            let mut shuffled_pairs = pairs.clone();
            let half = usize::try_from(seed % 7).unwrap();
            shuffled.reverse();
            shuffled.rotate_left(half.min(rules.len()));
            shuffled_pairs.reverse();
            let (one, other) = (RuleSet::new(rules).unwrap(), RuleSet::new(shuffled).unwrap());
            let here = Directory::new(pairs).unwrap();
            let there = Directory::new(shuffled_pairs).unwrap();
            prop_assert_eq!(
                all(&resolve(&one, &here, &default)),
                all(&resolve(&other, &there, &default))
            );
            prop_assert_eq!(one.digest(), other.digest());
        }

        #[test]
        fn keeping_longer_somewhere_never_expires_more_anywhere(
            rules in rules(),
            pairs in directory(),
            default in retention(),
            which: prop::sample::Index,
            longer in retention(),
        ) {
            prop_assume!(!rules.is_empty());
            let mut kinder = rules.clone();
            let rule = &mut kinder[which.index(rules.len())];
            let is_longer = match (rule.retention.days(), longer.days()) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(before), Some(after)) => after >= before,
            };
            prop_assume!(is_longer);
            rule.retention = longer;
            let (before, after) = (RuleSet::new(rules).unwrap(), RuleSet::new(kinder).unwrap());
            let directory = Directory::new(pairs).unwrap();
            let before = all(&resolve(&before, &directory, &default));
            let after = all(&resolve(&after, &directory, &default));
            for ((_, _, before), (_, _, after)) in before.iter().zip(&after) {
                if let Some(after) = after {
                    let before = before.expect("what expires now expired before");
                    prop_assert!(after.below_ms <= before.below_ms);
                    prop_assert_eq!(after.from_ms, before.from_ms);
                }
            }
        }

        #[test]
        fn a_rule_that_loses_has_no_effect(rules in rules(), pairs in directory(), default in retention()) {
            let set = RuleSet::new(rules.clone()).unwrap();
            let directory = Directory::new(pairs).unwrap();
            let policies = resolve(&set, &directory, &default);
            let policy = policies.project("a", "b");
            let losers: Vec<u64> = policy.trail.losers().map(|rule| rule.id).collect();
            let without: Vec<Rule> =
                rules.into_iter().filter(|rule| !losers.contains(&rule.id)).collect();
            let without = RuleSet::new(without).unwrap();
            let alone = resolve(&without, &directory, &default);
            prop_assert_eq!(policy.retention, alone.project("a", "b").retention);
            prop_assert_eq!(policy.trail.winner(), alone.project("a", "b").trail.winner());
        }
    }
}
