//! What is agreed against a model that resolves every revision by itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::cutoff::Bounds;
use crate::resolve::resolve;
use crate::rule::Days;

const NOW: &str = "2026-11-21T10:00:00Z";
const NAMES: [&str; 3] = ["a", "b", ""];

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn retention() -> impl Strategy<Value = Retention> {
    prop_oneof![
        1 => Just(Retention::Unlimited),
        4 => (1_u32..60).prop_map(|days| Retention::Days {
            days: Days::new(days).unwrap(),
            period: None,
        }),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let name = || prop::sample::select(NAMES.to_vec()).prop_map(Arc::<str>::from);
    prop_oneof![
        name().prop_map(Scope::Organization),
        name().prop_map(Scope::Workspace),
        (name(), name()).prop_map(|(workspace, project)| Scope::Project { workspace, project }),
    ]
}

/// What one revision changes.
#[derive(Debug, Clone)]
enum Change {
    Set(Scope, Retention, bool, i64),
    End(prop::sample::Index),
    Default(Retention),
    Nothing,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (scope(), retention(), any::<bool>(), 0_i64..100)
            .prop_map(|(scope, retention, past, age)| Change::Set(scope, retention, past, age)),
        3 => any::<prop::sample::Index>().prop_map(Change::End),
        1 => retention().prop_map(Change::Default),
        1 => Just(Change::Nothing),
    ]
}

/// The state at each revision, and each rule with the revisions at which it held.
type States = Vec<(Vec<Rule>, Retention)>;

fn play(changes: &[Change], default: Retention) -> (States, Vec<(Range<u64>, Rule)>) {
    let mut active: BTreeMap<Scope, (u64, Rule)> = BTreeMap::new();
    let mut default = default;
    let (mut states, mut held) = (Vec::new(), Vec::new());
    for (revision, change) in (0..).zip(changes) {
        match change {
            Change::Set(scope, retention, apply_to_past, age) => {
                let rule = Rule {
                    id: revision + 1,
                    scope: scope.clone(),
                    retention: retention.clone(),
                    apply_to_past: *apply_to_past,
                    created_at: now() - jiff::SignedDuration::from_hours(24 * age),
                };
                if let Some((since, old)) = active.insert(scope.clone(), (revision, rule)) {
                    held.push((since..revision, old));
                }
            }
            Change::End(which) if !active.is_empty() => {
                let scope = which
                    .get(&active.keys().cloned().collect::<Vec<_>>())
                    .clone();
                let (since, old) = active.remove(&scope).unwrap();
                held.push((since..revision, old));
            }
            Change::Default(retention) => default = retention.clone(),
            Change::End(_) | Change::Nothing => {}
        }
        let rules = active.values().map(|(_, rule)| rule.clone()).collect();
        states.push((rules, default.clone()));
    }
    held.extend(
        active
            .into_values()
            .map(|(since, rule)| (since..u64::MAX, rule)),
    );
    (states, held)
}

/// What each workspace and project expires.
fn all(rules: &RuleSet, directory: &Directory, default: &Retention) -> Vec<Option<Bounds>> {
    let policies = resolve(rules, directory, default);
    let names = NAMES.into_iter().chain(["nobody"]);
    names
        .flat_map(|workspace| {
            let projects = NAMES.map(|project| policies.project(workspace, project));
            let policies = projects.into_iter().chain([policies.workspace(workspace)]);
            policies
                .map(|policy| policy.bounds(now()))
                .collect::<Vec<_>>()
        })
        .collect()
}

proptest! {
    #[test]
    fn what_is_agreed_is_what_every_revision_of_the_span_expires(
        changes in prop::collection::vec(change(), 1..25),
        default in retention(),
        pairs in prop::collection::btree_map(
            prop::sample::select(NAMES.to_vec()), prop::sample::select(NAMES.to_vec()), 0..3),
        first: prop::sample::Index,
        last: prop::sample::Index,
    ) {
        let directory = Directory::new(pairs).unwrap();
        let (states, mut held) = play(&changes, default);
        let (one, other) = (first.index(states.len()), last.index(states.len()));
        let (first, last) = (one.min(other), one.max(other));
        let revision = |index: usize| u64::try_from(index).unwrap();
        let defaults = (0..).zip(&states).map(|(at, (_, default))| (at..at + 1, default.clone()));
        let span = revision(first)..revision(last) + 1;
        let mut history = History::new(span, defaults.collect());
        held.reverse();
        for (held, rule) in held {
            history.push(rule, held);
        }
        let (rules, default) = history.agreed(&directory).unwrap();
        let expected = states[first..=last]
            .iter()
            .map(|(rules, default)| {
                all(&RuleSet::new(rules.clone()).unwrap(), &directory, default)
            })
            .reduce(|all, one| {
                let both = all.into_iter().zip(one);
                both.map(|(all, one)| all?.intersect(one?)).collect()
            })
            .unwrap();
        prop_assert_eq!(all(&rules, &directory, &default), expected);
        if first == last {
            let (at, default_then) = &states[first];
            prop_assert_eq!(rules.digest(), RuleSet::new(at.clone()).unwrap().digest());
            prop_assert_eq!(&default, default_then);
        }
    }
}
