use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::guard::{Guards, PauseScope};
use crate::resolve::{Directory, resolve};
use crate::rule::{Days, Periods, Retention, RuleSet};

const NOW: &str = "2026-11-21T10:00:00Z";

#[derive(Debug, Clone)]
struct Drawn {
    scope: usize,
    days: Option<u32>,
    past: bool,
    age_days: i64,
}

fn rules(most_unlimited: u8) -> impl Strategy<Value = Vec<Drawn>> {
    let drawn = (0_usize..6, 1_u32..90, 0_u8..20, any::<bool>(), 0_i64..200).prop_map(
        move |(scope, days, unlimited, past, age_days)| Drawn {
            scope,
            days: (unlimited >= most_unlimited).then_some(days),
            past: past || unlimited > 4,
            age_days,
        },
    );
    prop::collection::vec(drawn, 0..5)
}

fn rule_set(drawn: &[Drawn]) -> RuleSet {
    let scopes = [
        "organization: acme",
        "workspace: w0",
        "workspace: w1",
        "workspace: w0, project: p0",
        "workspace: w0, project: p1",
        "workspace: w2, project: p0",
    ];
    let now: Timestamp = NOW.parse().unwrap();
    let mut yaml = String::new();
    let mut seen = Vec::new();
    for rule in drawn.iter().filter(|rule| {
        let is_new = !seen.contains(&rule.scope);
        seen.push(rule.scope);
        is_new
    }) {
        let days = rule
            .days
            .map_or("unlimited".into(), |days| format!("{days}d"));
        let created = now - SignedDuration::from_hours(24 * rule.age_days);
        writeln!(
            yaml,
            "- {{{}, retention: {days}, apply_to_past: {}, created_at: {created}}}",
            scopes[rule.scope], rule.past
        )
        .unwrap();
    }
    let periods = Periods::new(Vec::<(&str, Days)>::new(), Days::new(1).unwrap()).unwrap();
    if yaml.is_empty() {
        yaml.push_str("[]");
    }
    RuleSet::parse(&yaml, &periods, now).unwrap()
}

fn retention(days: Option<u32>) -> Retention {
    days.map_or(Retention::Unlimited, |days| Retention::Days {
        days: Days::new(days).unwrap(),
        period: None,
    })
}

proptest! {
    /// Whoever a row belongs to, now and after any move in the directory: what everybody's bounds
    /// have in common is inside of theirs.
    #[test]
    fn what_goes_whole_is_inside_the_bounds_of_every_policy(
        drawn in rules(2),
        base in prop::option::of(rules(1)),
        days in prop::option::weighted(0.9, 1_u32..90),
        members in prop::collection::vec(any::<bool>(), 4),
    ) {
        let now: Timestamp = NOW.parse().unwrap();
        let (rules, base_rules) = (rule_set(&drawn), base.map(|drawn| rule_set(&drawn)));
        let default = retention(days);
        let members = members.iter().enumerate().filter(|(_, is_one)| **is_one);
        let pairs = members.map(|(at, _)| (format!("w{at}"), "acme"));
        let directory = Directory::new(pairs).unwrap();
        let policies = resolve(&rules, &directory, &default);
        let of_base = base_rules.as_ref().map(|rules| resolve(rules, &directory, &default));
        let terms = Terms {
            base: match &of_base {
                Some(policies) => Base::At { revision: 1, policies: Some(policies), changes: &[] },
                None => Base::NotNeeded,
            },
            ..Terms::new(&policies, now)
        };
        let Ok(expired) = for_everybody(&terms) else { return Ok(()) };
        for workspace in ["w0", "w1", "w2", "w3"] {
            for policies in [Some(&policies), of_base.as_ref()].into_iter().flatten() {
                let of_projects = ["p0", "p1", "p2"].map(|name| policies.project(workspace, name));
                for policy in of_projects.into_iter().chain([policies.workspace(workspace)]) {
                    let bounds = policy.bounds(now);
                    prop_assert!(bounds.is_some_and(|bounds| {
                        expired.intersect(bounds) == Some(expired)
                    }), "{expired:?} of {bounds:?}");
                }
            }
        }
        let partitions: Vec<Partition> = (1_i8..13)
            .map(|month| Partition { value: format!("2026{month:02}"), ..Partition::default() })
            .collect();
        for partition in inside(expired, Period::Month, &partitions) {
            let (from, to) = Period::Month.span_ms(&partition.value).unwrap();
            prop_assert!(expired.contains(from) && expired.contains(to - 1));
        }
    }
}

#[test]
fn nothing_goes_whole_while_anything_is_held_or_paused_or_unapproved() {
    let now = NOW.parse().unwrap();
    let (rules, directory, default) = (rule_set(&[]), Directory::default(), retention(Some(9)));
    let policies = resolve(&rules, &directory, &default);
    let plain = Terms::new(&policies, now);
    assert!(for_everybody(&plain).is_ok());
    let guards = Guards::new(vec![], vec![PauseScope::Workspace("w".into())]);
    let paused = Terms {
        guards: &guards,
        ..plain
    };
    let everything = PauseScope::Workspace("w".into());
    assert_eq!(for_everybody(&paused), Err(Obstacle::Pause(everything)));
    let missing = Terms {
        base: Base::Missing,
        ..plain
    };
    assert_eq!(for_everybody(&missing), Err(Obstacle::Unapproved));
}

proptest! {
    /// What a census leaves out is expired for nobody.
    #[test]
    fn no_policy_expires_what_a_census_leaves_out(
        drawn in rules(6), days in prop::option::weighted(0.3, 1_u32..90), is_member: bool,
    ) {
        let now: Timestamp = NOW.parse().unwrap();
        let (rules, default) = (rule_set(&drawn), retention(days));
        let members = is_member.then_some(("w1", "acme"));
        let directory = Directory::new(members).unwrap();
        let policies = resolve(&rules, &directory, &default);
        let terms = Terms::new(&policies, now);
        let (highest_ms, named) = (highest_cutoff_ms(&terms), finite_workspaces(&terms));
        for workspace in ["w0", "w1", "w2", "w3"] {
            let of_projects = ["p0", "p1", "p2"].map(|name| policies.project(workspace, name));
            for policy in of_projects.into_iter().chain([policies.workspace(workspace)]) {
                let Some(bounds) = policy.bounds(now) else { continue };
                prop_assert!(highest_ms.is_some_and(|highest_ms| bounds.below_ms <= highest_ms));
                let is_named = |names: &Vec<Arc<str>>| names.iter().any(|name| **name == *workspace);
                prop_assert!(named.as_ref().is_none_or(is_named), "{workspace} of {named:?}");
            }
        }
    }
}

#[test]
fn a_census_names_whose_rows_may_be_due_where_the_default_is_unlimited() {
    let now: Timestamp = NOW.parse().unwrap();
    let periods = Periods::new(Vec::<(&str, Days)>::new(), Days::new(1).unwrap()).unwrap();
    let directory = Directory::default();
    let named = |yaml: &str, default: &Retention| {
        let rules = RuleSet::parse(yaml, &periods, now).unwrap();
        let policies = resolve(&rules, &directory, default);
        let named = finite_workspaces(&Terms::new(&policies, now))?;
        Some(named.join(" "))
    };
    let two = "- {workspace: w1, retention: 9d}\n- {workspace: w0, project: p, retention: 9d}\n\
               - {workspace: w2, retention: unlimited}";
    assert_eq!(named(two, &retention(None)).unwrap(), "w0 w1");
    assert_eq!(named(two, &retention(Some(9))), None);
    let everybody_s = "- {organization: acme, retention: 9d}";
    assert_eq!(named(everybody_s, &retention(None)), None);
    let mut many = String::new();
    for at in 0..=MOST_NAMED {
        writeln!(many, "- {{workspace: w{at}, retention: 9d}}").unwrap();
    }
    assert_eq!(named(&many, &retention(None)), None);
    let long = format!("- {{workspace: {}, retention: 9d}}", "x".repeat(200));
    assert!(named(&long, &retention(None)).is_some());
}

#[test]
fn a_rule_from_now_on_expires_nothing_yet() {
    let drawn = |age_days| Drawn {
        scope: 1,
        days: Some(7),
        past: false,
        age_days,
    };
    let now: Timestamp = NOW.parse().unwrap();
    let (directory, default) = (Directory::default(), retention(None));
    let highest_ms = |age_days| {
        let rules = rule_set(&[drawn(age_days)]);
        highest_cutoff_ms(&Terms::new(&resolve(&rules, &directory, &default), now))
    };
    assert_eq!(highest_ms(3), None);
    assert!(highest_ms(30).is_some());
}
