//! What is kept of a plan, against the model that looks at one row at a time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::guard::Guards;
use crate::plan::candidate::tests::{
    BaseRules, base, census, guards, is_expired, is_held, n_taken, name, now, retention, rows,
    rules, target,
};
use crate::plan::{Base, Extent, Method};
use crate::resolve::{Directory, Policies, resolve};
use crate::rule::{Days, Retention, Rule, RuleSet, Scope};
use crate::slot::SlotRange;
use crate::target::AgeKind;

/// What a ledger says at one revision.
#[derive(Debug, Clone)]
struct World {
    rules: RuleSet,
    default: Retention,
    pairs: BTreeMap<Arc<str>, Arc<str>>,
    guards: Guards,
    base: BaseRules,
}

fn world() -> impl Strategy<Value = World> {
    let pairs = prop::collection::btree_map(name(), name(), 0..3);
    (rules(), retention(), pairs, guards(), base()).prop_map(
        |(rules, default, pairs, guards, base)| World {
            rules,
            default,
            pairs,
            guards,
            base,
        },
    )
}

/// Another world, or the same one but for some part of it.
fn later(world: World) -> impl Strategy<Value = (World, World)> {
    let change = (self::world(), any::<[bool; 5]>());
    change.prop_map(move |(other, [rules, default, pairs, guards, base])| {
        let mut later = world.clone();
        if rules {
            later.rules = other.rules;
        }
        if default {
            later.default = other.default;
        }
        if pairs {
            later.pairs = other.pairs;
        }
        if guards {
            later.guards = other.guards;
        }
        if base {
            later.base = other.base;
        }
        (world.clone(), later)
    })
}

impl World {
    fn directory(&self) -> Directory {
        let pairs = self.pairs.iter();
        Directory::new(pairs.map(|(name, of)| (name.as_ref(), of))).unwrap()
    }

    /// Calls `with` with the terms of this world.
    fn on_terms<T>(&self, with: impl FnOnce(&Terms<'_>, Option<&Policies<'_>>) -> T) -> T {
        let directory = self.directory();
        let policies = resolve(&self.rules, &directory, &self.default);
        let of_base = match &self.base {
            Some(Some((rules, default))) => Some(resolve(rules, &directory, default)),
            _ => None,
        };
        let base = match &self.base {
            None => Base::NotNeeded,
            Some(None) => Base::Missing,
            Some(Some(_)) => Base::At {
                revision: 1,
                policies: of_base.as_ref(),
                changes: &[],
            },
        };
        let terms = Terms {
            base,
            guards: &self.guards,
            ..Terms::new(&policies, now())
        };
        with(&terms, of_base.as_ref())
    }

    fn due(&self, targets: &[CheckedTarget]) -> Vec<Arm> {
        let last = targets.last().unwrap();
        self.on_terms(|terms, _| candidates(last, &census(), terms).due)
    }

    fn still(&self, arms: &[Arm], targets: &[CheckedTarget]) -> Vec<Arm> {
        let still = self.on_terms(|terms, _| still_due(arms.to_vec(), targets, terms));
        assert_eq!(still.due.len() + still.left_out.len(), arms.len());
        still.due
    }
}

/// An arm, cut in two at an instant inside of it.
fn cut(arm: Arm, cut_ms: Option<i64>) -> Vec<Arm> {
    let inside = cut_ms.filter(|cut| arm.bounds.contains(*cut) && arm.bounds.from_ms != Some(*cut));
    let Some(cut_ms) = inside else {
        return vec![arm];
    };
    let piece = |from_ms, below_ms| Arm {
        bounds: Bounds { below_ms, from_ms },
        cut_from: Some(arm.bounds),
        ..arm.clone()
    };
    let bounds = arm.bounds;
    vec![
        piece(bounds.from_ms, cut_ms),
        piece(Some(cut_ms), bounds.below_ms),
    ]
}

fn key(arm: &Arm) -> (Arc<str>, String, String) {
    let bounds = format!("{:?}", arm.bounds);
    (
        Arc::clone(&arm.workspace),
        format!("{:?}", arm.projects),
        bounds,
    )
}

proptest! {
    #[test]
    fn what_is_kept_was_planned_and_is_due_under_the_later_terms(
        (before, later) in world().prop_flat_map(later),
        has_project: bool,
        cut_ms in prop::option::of(prop::sample::select(vec![0, 5 * 86_400_000, 1_794_800_000_000])),
    ) {
        let targets = [target(AgeKind::UuidText, has_project)];
        let planned: Vec<Arm> =
            before.due(&targets).into_iter().flat_map(|arm| cut(arm, cut_ms)).collect();
        let kept = later.still(&planned, &targets);
        let due = later.due(&targets);
        let fresh: Vec<_> = due.iter().map(key).collect();
        let of_plan: Vec<_> = planned.iter().map(key).collect();
        for arm in &kept {
            prop_assert!(of_plan.contains(&key(arm)), "{:?} was not planned", arm);
            let is_fresh = fresh.contains(&key(arm));
            prop_assert!(is_fresh || arm.cut_from.is_some(), "{:?} is not due", arm);
        }
        // Of what was cut, nothing is left out but what is not due any more.
        for arm in planned.iter().filter(|arm| arm.cut_from.is_some() && !kept.contains(arm)) {
            let is_due = |due: &&Arm| {
                policy(due) == policy(arm) && due.exceptions() == arm.exceptions()
                    && due.bounds.intersect(arm.bounds) == Some(arm.bounds)
            };
            let same = due.iter().find(is_due).filter(|same| same.rule == arm.rule);
            prop_assert!(same.is_none() || !has_project, "{:?} is still due", arm);
        }
        let directory = later.directory();
        let policies = resolve(&later.rules, &directory, &later.default);
        for row in rows(&later.guards).into_iter().filter(|_| has_project) {
            if n_taken(row, &kept, 1) == 0 {
                continue;
            }
            let agreed = later.on_terms(|terms, base| match terms.base {
                Base::NotNeeded => true,
                Base::Missing => false,
                Base::At { .. } => base.is_some_and(|base| is_expired(row, base)),
            });
            let stays = is_held(row, &later.guards, &directory)
                || later.guards.pause_of("t", row.workspace).is_some();
            prop_assert!(is_expired(row, &policies) && agreed && !stays, "{:?} goes", row);
        }
    }

    #[test]
    fn where_nothing_changed_everything_is_kept(world in world()) {
        let targets = [target(AgeKind::UuidText, true)];
        let planned = world.due(&targets);
        prop_assert_eq!(world.still(&planned, &targets), planned);
    }
}

fn only(rules: impl IntoIterator<Item = (Scope, u32)>) -> World {
    let rule = |(id, (scope, days))| Rule {
        id,
        scope,
        retention: Retention::Days {
            days: Days::new(days).unwrap(),
            period: None,
        },
        apply_to_past: true,
        created_at: now(),
    };
    World {
        rules: RuleSet::new((1..).zip(rules).map(rule)).unwrap(),
        default: Retention::Unlimited,
        pairs: BTreeMap::new(),
        guards: Guards::default(),
        base: None,
    }
}

fn workspace(name: &str) -> Scope {
    Scope::Workspace(name.into())
}

#[test]
fn another_rule_of_the_same_meaning_is_named_and_keeps_its_arm() {
    let targets = [target(AgeKind::UuidText, true)];
    let planned = only([(workspace("a"), 7)]).due(&targets);
    let later = only([(workspace("b"), 3), (workspace("a"), 7)]);
    let kept = later.still(&planned, &targets);
    assert_eq!(
        kept.iter().map(|arm| arm.rule).collect::<Vec<_>>(),
        [Some(2)]
    );
    let longer = only([(workspace("a"), 8)]).still(&planned, &targets);
    assert_eq!(longer, []);
}

#[test]
fn a_rule_that_an_earlier_target_cannot_match_leaves_its_workspace_alone() {
    let children = target(AgeKind::UuidText, false);
    let parents = target(AgeKind::UuidText, true);
    let project = Scope::Project {
        workspace: "a".into(),
        project: "elsewhere".into(),
    };
    let world = only([(workspace("a"), 7), (workspace("b"), 7), (project, 9)]);
    let planned = world.due(std::slice::from_ref(&parents));
    assert_eq!(planned.len(), 3);
    let kept = world.still(&planned, &[children, parents]);
    let workspaces: Vec<&str> = kept.iter().map(|arm| &*arm.workspace).collect();
    assert_eq!(workspaces, ["b"]);
}

fn finite(days: u32, rules: impl IntoIterator<Item = (Scope, u32)>) -> World {
    World {
        default: Retention::Days {
            days: Days::new(days).unwrap(),
            period: None,
        },
        ..only(rules)
    }
}

/// A step that drops what is expired for everybody under some terms.
fn drop_under(terms: &Terms<'_>) -> Step {
    Step {
        number: 1,
        shard: "s".into(),
        table: "t".into(),
        method: Method::Partition,
        partitions: vec!["202609".into()],
        n_parts: 1,
        reason: "".into(),
        arms: vec![],
        expired: for_everybody(terms).ok(),
        n_due: 1,
        extent: Extent::default(),
    }
}

#[test]
fn whole_partitions_stay_where_anybody_keeps_rows_for_longer() {
    let targets = [target(AgeKind::UuidText, true)];
    let step = finite(30, []).on_terms(|terms, _| drop_under(terms));
    let goes = |later: World| later.on_terms(|terms, _| goes_whole(&step, &targets, terms));
    assert!(goes(finite(30, [])));
    assert!(goes(finite(29, [(workspace("a"), 7)])));
    assert!(!goes(finite(31, [])));
    assert!(!goes(finite(30, [(workspace("a"), 31)])));
    assert!(!goes(only([(workspace("a"), 7)])));
}

#[test]
fn whole_partitions_stay_where_nobody_can_tell_rows_by_a_rule_whosever_turn_it_is() {
    let project = Scope::Project {
        workspace: "a".into(),
        project: "p".into(),
    };
    let world = finite(30, [(project, 7)]);
    let slots = [0, 1].map(|number| SlotRange::of_slot(number, 2));
    let goes = |has_project, slot| {
        world.on_terms(|terms, _| {
            let targets = [target(AgeKind::UuidText, has_project)];
            let terms = Terms { slot, ..*terms };
            goes_whole(&drop_under(&terms), &targets, &terms)
        })
    };
    for slot in [None, Some(slots[0]), Some(slots[1])] {
        assert!(goes(true, slot));
        assert!(!goes(false, slot));
    }
}

#[test]
fn of_an_arm_in_pieces_those_are_kept_of_which_everything_is_due() {
    const DAY_MS: i64 = 86_400_000;
    let targets = [target(AgeKind::UuidText, true)];
    let planned = only([(workspace("a"), 7)]).due(&targets);
    let [arm] = &planned[..] else {
        panic!("{planned:#?}")
    };
    let cut_at = |days: i64| cut(arm.clone(), Some(arm.bounds.below_ms - days * DAY_MS));
    // The cutoff of nine days is two days before that of seven.
    let later = only([(workspace("a"), 9)]);
    let pieces = cut_at(3);
    assert_eq!(later.still(&pieces, &targets), pieces[..1]);
    assert_eq!(later.still(&cut_at(1), &targets), []);
    assert_eq!(later.still(&planned, &targets), []);
    let shorter = only([(workspace("a"), 5)]);
    assert_eq!(shorter.still(&pieces, &targets), pieces);
    assert_eq!(shorter.still(&planned, &targets), []);
}
