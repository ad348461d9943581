use proptest::prelude::*;

use super::*;
use crate::cutoff::Bounds;
use crate::guard::Guards;
use crate::plan::candidate::tests::{census, name, now, target};
use crate::plan::{Extent, Method, Obstacle, Terms, candidates, for_everybody};
use crate::resolve::{Directory, resolve};
use crate::target::AgeKind;

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        name().prop_map(Scope::Organization),
        name().prop_map(Scope::Workspace),
        (name(), name()).prop_map(|(workspace, project)| Scope::Project { workspace, project }),
    ]
}

fn backfill() -> impl Strategy<Value = Backfill> {
    let targets = prop::collection::vec(Just("spans".to_owned()), 0..2);
    (scope(), 1_u32..90, targets).prop_map(|(scope, days, targets)| Backfill {
        by: "eva".into(),
        scope,
        older_than: Days::new(days).unwrap(),
        targets,
    })
}

/// A step of the arms that are due under the terms of a backfill.
fn step(arms: Vec<Arm>) -> Step {
    Step {
        number: 1,
        shard: "s".into(),
        table: "spans".into(),
        method: Method::Lightweight,
        partitions: Vec::new(),
        n_parts: 1,
        reason: "".into(),
        arms,
        expired: None,
        n_due: 1,
        extent: Extent::default(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(backfill in backfill()) {
        let read: Backfill = serde_json::from_str(&backfill.text()).unwrap();
        prop_assert_eq!(read, backfill);
    }

    /// All that a plan of it takes was asked for, and nothing of another backfill's plan is, unless
    /// its scope is inside of this one's.
    #[test]
    fn its_rules_expire_what_was_asked_for_and_nothing_else(
        (asked, other) in (backfill(), backfill()),
        pairs in prop::collection::btree_map(name(), name(), 0..3),
    ) {
        let directory = Directory::new(pairs.iter().map(|(w, o)| (&**w, o))).unwrap();
        let organization_of = |workspace: &str| directory.organization_of(workspace);
        let arms = |backfill: &Backfill| {
            let rules = backfill.rules(now()).unwrap();
            let policies = resolve(&rules, &directory, &Retention::Unlimited);
            let terms = Terms { backfill: Some(backfill), ..Terms::new(&policies, now()) };
            assert_eq!(for_everybody(&terms), Err(Obstacle::Backfill));
            candidates(&target(AgeKind::UuidText, true), &census(), &terms).due
        };
        let own = arms(&asked);
        prop_assert!(own.is_empty() || asked.covers(&step(own.clone()), now(), organization_of));
        for arm in arms(&other) {
            let is_inside = own.iter().any(|own| {
                own.workspace == arm.workspace
                    && (own.projects == arm.projects || own.project().is_none())
                    && arm.bounds.below_ms <= own.bounds.below_ms
            });
            let is_covered = asked.covers(&step(vec![arm.clone()]), now(), organization_of);
            prop_assert_eq!(is_covered, is_inside, "{:?} of {:?}", arm, other);
        }
    }
}

#[test]
fn neither_whole_partitions_nor_other_tables_nor_younger_rows_are_covered() {
    let asked = Backfill {
        by: "eva".into(),
        scope: Scope::Workspace("a".into()),
        older_than: Days::new(60).unwrap(),
        targets: vec!["spans".into()],
    };
    let rules = asked.rules(now()).unwrap();
    let directory = Directory::default();
    let policies = resolve(&rules, &directory, &Retention::Unlimited);
    let guards = Guards::default();
    let terms = Terms {
        guards: &guards,
        ..Terms::new(&policies, now())
    };
    let due = candidates(&target(AgeKind::UuidText, true), &census(), &terms).due;
    let good = step(due);
    let covers = |step: &Step| asked.covers(step, now(), |_| None);
    assert!(covers(&good));
    let whole = Step {
        expired: Some(Bounds {
            below_ms: 0,
            from_ms: None,
        }),
        ..good.clone()
    };
    let nobody = step(Vec::new());
    let elsewhere = Step {
        table: "traces".into(),
        ..good.clone()
    };
    let mut younger = good.clone();
    younger.arms[0].bounds.below_ms += 1;
    for bad in [whole, nobody, elsewhere, younger] {
        assert!(!covers(&bad), "{bad:?}");
    }
    // With the cutoffs of an earlier day it is older than what was asked for, and still covered.
    let tomorrow = now() + jiff::SignedDuration::from_hours(24);
    assert!(asked.covers(&good, tomorrow, |_| None));
    let yesterday = now() - jiff::SignedDuration::from_hours(24);
    assert!(!asked.covers(&good, yesterday, |_| None));
}
