use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::cutoff::Bounds;
use crate::rule::{Days, Scope};

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
    prop::collection::btree_map(scope(), (retention(), any::<bool>(), 0_i64..100), 0..20).prop_map(
        |rules| {
            let rule = |(id, (scope, (retention, apply_to_past, age)))| Rule {
                id,
                scope,
                retention,
                apply_to_past,
                created_at: NOW.parse::<Timestamp>().unwrap()
                    - jiff::SignedDuration::from_hours(24 * age),
            };
            (1..).zip(rules).map(rule).collect()
        },
    )
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

#[test]
fn a_row_goes_exactly_where_the_bounds_say_so() {
    let now: Timestamp = NOW.parse().unwrap();
    let rule = Rule {
        id: 1,
        scope: Scope::Workspace("a".into()),
        retention: Retention::Days {
            days: Days::new(7).unwrap(),
            period: None,
        },
        apply_to_past: false,
        created_at: now - jiff::SignedDuration::from_hours(24 * 20),
    };
    let (rules, directory) = (RuleSet::new([rule]).unwrap(), Directory::default());
    let policies = resolve(&rules, &directory, &Retention::Unlimited);
    let bounds = policies.of("a", None).bounds(now).unwrap();
    let fate = |workspace: &str, at_ms: i64| {
        let time = Timestamp::from_millisecond(at_ms).unwrap();
        policies.of(workspace, Some("p")).fate(time, now)
    };
    let from_ms = bounds.from_ms.unwrap();
    assert_eq!(fate("a", from_ms - 1), Fate::OlderThanTheRule);
    assert!(matches!(fate("a", from_ms), Fate::Expired { .. }));
    let last = fate("a", bounds.below_ms - 1);
    assert!(
        matches!(last, Fate::Expired { at } if at <= now),
        "{last:?}"
    );
    let first = fate("a", bounds.below_ms);
    assert!(
        matches!(first, Fate::NotExpired { at } if at > now),
        "{first:?}"
    );
    assert_eq!(fate("b", from_ms), Fate::Unlimited);
    assert_eq!(Fate::OlderThanTheRule.expires_at(), None);
}
