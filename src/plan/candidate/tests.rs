//! Candidates against a model that looks at one row at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::guard::{Guards, HoldRange, PauseScope};
use crate::resolve::{Directory, resolve};
use crate::rule::{Days, Retention, Rule, RuleSet, Scope};
use crate::slot::SlotRange;
use crate::target::{AgeColumn, AgeKind, NameColumn, TextKind};

const NOW: &str = "2026-11-21T10:00:00Z";
const DAY_MS: i64 = 86_400_000;
const NAMES: [&str; 3] = ["a", "b", ""];

pub(in crate::plan) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(in crate::plan) fn name() -> impl Strategy<Value = Arc<str>> {
    prop::sample::select(NAMES.to_vec()).prop_map(Arc::from)
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        name().prop_map(Scope::Organization),
        name().prop_map(Scope::Workspace),
        (name(), name()).prop_map(|(workspace, project)| Scope::Project { workspace, project }),
    ]
}

pub(in crate::plan) fn retention() -> impl Strategy<Value = Retention> {
    prop_oneof![
        Just(Retention::Unlimited),
        (1_u32..12).prop_map(|days| Retention::Days {
            days: Days::new(days).unwrap(),
            period: None,
        }),
    ]
}

/// An instant up to twenty days ago.
fn instant() -> impl Strategy<Value = Timestamp> {
    (0_i64..20 * 24 * 60).prop_map(|minutes| now() - jiff::SignedDuration::from_mins(minutes))
}

pub(in crate::plan) fn rules() -> impl Strategy<Value = RuleSet> {
    let rule = (retention(), any::<bool>(), instant());
    prop::collection::btree_map(scope(), rule, 0..8).prop_map(|rules| {
        let rule = |(id, (scope, (retention, apply_to_past, created_at)))| Rule {
            id,
            scope,
            retention,
            apply_to_past,
            created_at,
        };
        RuleSet::new((1..).zip(rules).map(rule)).unwrap()
    })
}

fn hold() -> impl Strategy<Value = Hold> {
    let end = || prop::option::of(instant());
    (scope(), end(), end()).prop_map(|(scope, one, other)| {
        let range = match (one, other) {
            (Some(one), Some(other)) => HoldRange {
                from: Some(one.min(other)),
                until: Some(one.max(other)),
            },
            (from, until) => HoldRange { from, until },
        };
        Hold {
            id: 0,
            scope,
            range,
        }
    })
}

pub(in crate::plan) fn guards() -> impl Strategy<Value = Guards> {
    let pause = prop_oneof![
        Just(PauseScope::Everything),
        Just(PauseScope::Target("t".into())),
        Just(PauseScope::Target("other".into())),
        name().prop_map(PauseScope::Workspace),
    ];
    let holds = prop::collection::vec(hold(), 0..4);
    (holds, prop::option::weighted(0.2, pause)).prop_map(|(holds, pause)| {
        let numbered = (1..).zip(holds).map(|(id, hold)| Hold { id, ..hold });
        Guards::new(numbered, pause)
    })
}

/// Nothing, or the rules of the base, or that there is none yet.
pub(in crate::plan) type BaseRules = Option<Option<(RuleSet, Retention)>>;

pub(in crate::plan) fn base() -> impl Strategy<Value = BaseRules> {
    prop::option::of(prop::option::weighted(0.8, (rules(), retention())))
}

pub(in crate::plan) fn target(kind: AgeKind, has_project: bool) -> CheckedTarget {
    let name = |name: &str| NameColumn {
        name: name.into(),
        kind: TextKind::String,
        nullable: false,
    };
    CheckedTarget {
        database: "d".into(),
        table: "t".into(),
        workspace: name("w"),
        project: has_project.then(|| name("p")),
        age: AgeColumn {
            name: "at".into(),
            kind,
        },
        keep: vec![],
    }
}

pub(in crate::plan) fn census() -> Vec<CensusRow> {
    let row = |name: &str| CensusRow {
        workspace: name.into(),
        is_readable: true,
        n_rows: 1,
        n_undatable: 0,
        n_future: 0,
        oldest_ms: Some(0),
    };
    NAMES.map(row).into()
}

/// One row: workspace, project, and when it really happened.
#[derive(Debug, Clone, Copy)]
pub(in crate::plan) struct Row {
    pub(in crate::plan) workspace: &'static str,
    project: &'static str,
    at_ms: i64,
}

/// Rows around every instant that matters.
pub(in crate::plan) fn rows(guards: &Guards) -> Vec<Row> {
    let midnight = now().as_millisecond().div_euclid(DAY_MS) * DAY_MS;
    let mut instants: Vec<i64> = (0..21).map(|day| midnight - day * DAY_MS).collect();
    for hold in guards.holds() {
        let ends = [hold.range.from, hold.range.until];
        instants.extend(ends.into_iter().flatten().map(Timestamp::as_millisecond));
    }
    let around = instants
        .iter()
        .flat_map(|at| [-DAY_MS / 2, -1, 0, 1].map(|by| at + by));
    let rows = around.flat_map(|at_ms| {
        NAMES.into_iter().flat_map(move |workspace| {
            NAMES.map(|project| Row {
                workspace,
                project,
                at_ms,
            })
        })
    });
    rows.collect()
}

pub(in crate::plan) fn is_held(row: Row, guards: &Guards, directory: &Directory) -> bool {
    guards.holds().iter().any(|hold| {
        let covers = match &hold.scope {
            Scope::Organization(name) => directory.organization_of(row.workspace) == Some(name),
            Scope::Workspace(name) => **name == *row.workspace,
            Scope::Project { workspace, project } => {
                **workspace == *row.workspace && **project == *row.project
            }
        };
        covers
            && hold
                .range
                .contains(Timestamp::from_millisecond(row.at_ms).unwrap())
    })
}

pub(in crate::plan) fn is_expired(row: Row, policies: &Policies<'_>) -> bool {
    let bounds = policies.project(row.workspace, row.project).bounds(now());
    bounds.is_some_and(|bounds| bounds.contains(row.at_ms))
}

/// How many arms take a row that is stored in whole units, as the compiler compares it.
pub(in crate::plan) fn n_taken(row: Row, arms: &[Arm], unit_ms: i64) -> usize {
    let ceil = |ms: i64| -(-ms).div_euclid(unit_ms) * unit_ms;
    let stored = row.at_ms.div_euclid(unit_ms) * unit_ms;
    let takes = |arm: &&Arm| {
        let of_project = match &arm.projects {
            Projects::Only(project) => **project == *row.project,
            Projects::Except(projects) => projects.iter().all(|name| **name != *row.project),
        };
        *arm.workspace == *row.workspace
            && of_project
            && stored < ceil(arm.bounds.below_ms)
            && arm.bounds.from_ms.is_none_or(|from| stored >= ceil(from))
    };
    arms.iter().filter(takes).count()
}

fn check(
    rules: &RuleSet,
    default: &Retention,
    pairs: &BTreeMap<Arc<str>, Arc<str>>,
    guards: &Guards,
    base: &BaseRules,
    slot: Option<SlotRange>,
) -> Result<(), TestCaseError> {
    let directory = Directory::new(pairs.iter().map(|(name, of)| (name.as_ref(), of))).unwrap();
    let policies = resolve(rules, &directory, default);
    let of_base = match base {
        Some(Some((rules, default))) => Some(resolve(rules, &directory, default)),
        _ => None,
    };
    let terms = Terms {
        base: match base {
            None => Base::NotNeeded,
            Some(None) => Base::Missing,
            Some(Some(_)) => Base::At {
                revision: 1,
                policies: of_base.as_ref(),
                changes: &[],
            },
        },
        guards,
        slot,
        ..Terms::new(&policies, now())
    };
    let found = candidates(&target(AgeKind::UuidText, true), &census(), &terms);
    for row in rows(guards) {
        let is_turn = slot.is_none_or(|slot| slot.contains(row.workspace));
        let proposed = is_expired(row, &policies) && is_turn;
        let agreed = match base {
            None => true,
            Some(None) => false,
            Some(Some(_)) => of_base.as_ref().is_some_and(|base| is_expired(row, base)),
        };
        let held = is_held(row, guards, &directory);
        let paused = guards.pause_of("t", row.workspace).is_some();
        let expected = [
            proposed && agreed && !held && !paused,
            proposed && !agreed && !held,
            proposed && agreed && held,
            proposed && agreed && !held && paused,
        ];
        let lists = [&found.due, &found.waiting, &found.held, &found.paused];
        let taken = lists.map(|arms| n_taken(row, arms, 1));
        prop_assert_eq!(
            taken,
            expected.map(usize::from),
            "{:?} in {:#?}",
            row,
            found
        );
    }
    for arms in [&found.due, &found.waiting, &found.held, &found.paused] {
        let mut keys: Vec<_> = arms
            .iter()
            .map(|arm| (arm.piece, &arm.workspace, arm.project()))
            .collect();
        let n_arms = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(
            keys.len(),
            n_arms,
            "pieces of one policy have numbers of their own"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn each_row_is_due_waits_is_held_or_paused_as_a_naive_model_says(
        rules in rules(),
        default in retention(),
        pairs in prop::collection::btree_map(name(), name(), 0..3),
        guards in guards(),
        base in base(),
        slot in prop::option::weighted(0.3, (0_u64..1 << 32, 0_u64..1 << 32)),
    ) {
        let slot = slot.map(|(one, other)| SlotRange { from: one.min(other), to: one.max(other) });
        check(&rules, &default, &pairs, &guards, &base, slot)?;
    }

    #[test]
    fn a_held_row_is_in_no_arm_however_coarse_its_time_is_stored(
        rules in rules(),
        default in retention(),
        pairs in prop::collection::btree_map(name(), name(), 0..3),
        guards in guards(),
        kind in prop::sample::select(vec![AgeKind::Date, AgeKind::DateTime, AgeKind::DateTime64]),
        has_project: bool,
    ) {
        let directory = Directory::new(pairs.iter().map(|(name, of)| (name.as_ref(), of))).unwrap();
        let policies = resolve(&rules, &directory, &default);
        let terms = Terms { guards: &guards, ..Terms::new(&policies, now()) };
        let target = target(kind, has_project);
        let found = candidates(&target, &census(), &terms);
        for row in rows(&guards) {
            if is_held(row, &guards, &directory) {
                prop_assert_eq!(n_taken(row, &found.due, kind.unit_ms()), 0, "{:?}", row);
            }
        }
    }

    #[test]
    fn the_base_only_takes_away(
        rules in rules(),
        default in retention(),
        of_base in (rules(), retention()),
    ) {
        let directory = Directory::default();
        let policies = resolve(&rules, &directory, &default);
        let base = resolve(&of_base.0, &directory, &of_base.1);
        let terms = Terms {
            base: Base::At { revision: 1, policies: Some(&base), changes: &[] },
            ..Terms::new(&policies, now())
        };
        let found = candidates(&target(AgeKind::Uuid, true), &census(), &terms);
        for row in rows(Guards::none()) {
            if n_taken(row, &found.due, 1) > 0 {
                prop_assert!(is_expired(row, &policies) && is_expired(row, &base));
            }
        }
    }

    #[test]
    fn without_guards_nothing_changes(rules in rules(), default in retention()) {
        let directory = Directory::default();
        let policies = resolve(&rules, &directory, &default);
        let plain = Terms::new(&policies, now());
        let same = resolve(&rules, &directory, &default);
        let guarded = Terms {
            base: Base::At { revision: 1, policies: Some(&same), changes: &[] },
            ..plain
        };
        let target = target(AgeKind::Uuid, true);
        prop_assert_eq!(
            candidates(&target, &census(), &plain).due,
            candidates(&target, &census(), &guarded).due
        );
    }
}
