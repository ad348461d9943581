//! Whose rows stay with those of their children.

use super::*;
use crate::cutoff::Bounds;
use crate::plan::Projects;

const DAY_MS: i64 = 86_400_000;

fn arm(workspace: &str, from_ms: Option<i64>, below_ms: i64) -> Arm {
    Arm::new(workspace, Projects::all(), Bounds { below_ms, from_ms })
}

fn bounds(arms: &[Arm]) -> Vec<(&str, Option<i64>, i64)> {
    let of_arm = |arm: &Arm| (arm.bounds.from_ms, arm.bounds.below_ms);
    arms.iter()
        .map(|arm| (&*arm.workspace, of_arm(arm).0, of_arm(arm).1))
        .collect()
}

/// What is left out after children of which this was not counted.
fn after(uncounted: Vec<Arm>) -> LeftOut {
    let mut left_out = LeftOut::default();
    let mut counted = Counted::default();
    counted.uncounted = uncounted;
    left_out.note(&counted);
    left_out
}

#[test]
fn of_parents_only_those_go_that_are_older_than_all_that_was_not_counted() {
    let (noon, end) = (40 * DAY_MS + DAY_MS / 2, 90 * DAY_MS);
    // The older piece comes last.
    let left_out = after(vec![
        arm("w", Some(60 * DAY_MS), end),
        arm("w", Some(noon), 60 * DAY_MS),
    ]);
    for (unit_ms, from) in [(1, noon), (DAY_MS, 40 * DAY_MS)] {
        let mut arms = vec![arm("w", None, end), arm("other", None, end)];
        let parents = left_out.take_parents(&mut arms, unit_ms);
        assert_eq!(
            bounds(&arms),
            [("w", None, from), ("other", None, end)],
            "a day that has some of them waits where ages are days"
        );
        assert_eq!(bounds(&parents), [("w", Some(from), end)]);
    }
    let begins = left_out.others_ms;
    assert_eq!(begins, Some(noon), "no partition goes whole beyond it");
}

#[test]
fn of_what_has_no_begin_no_parent_goes() {
    let left_out = after(vec![arm("w", None, DAY_MS)]);
    let mut arms = vec![arm("w", None, DAY_MS)];
    assert_eq!(left_out.take_parents(&mut arms, 1).len(), 1);
    assert_eq!(arms, []);
    assert_eq!(left_out.others_ms, Some(i64::MIN));
}

#[test]
fn whoever_fits_into_no_statement_or_cannot_be_counted_is_left_alone() {
    let mut left_out = LeftOut::default();
    assert_eq!(left_out.obstacle(), None);
    let mut counted = Counted::default();
    counted.oversized = vec![arm("large", None, 1)];
    counted.unknown = vec![(arm("unknown", None, 1), "nobody knows".into())];
    left_out.note(&counted);
    assert!(left_out.obstacle().is_some());
    let names = ["large", "unknown", "other"];
    let arms = || names.map(|name| arm(name, None, 1)).to_vec();
    let mut found = Candidates {
        due: arms(),
        paused: arms(),
        waiting: arms(),
        ..Candidates::default()
    };
    assert_eq!(left_out.set_aside(&mut found), []);
    for arms in [&found.due, &found.paused, &found.waiting] {
        assert_eq!(bounds(arms), [("other", None, 1)]);
    }
}
