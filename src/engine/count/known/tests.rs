use super::*;
use crate::engine::of_day::tests::OF;
use crate::plan::Projects;

const DAY_MS: i64 = 86_400_000;

fn arm(workspace: &str) -> Arm {
    let bounds = Bounds {
        below_ms: 90 * DAY_MS,
        from_ms: None,
    };
    Arm::new(workspace, Projects::all(), bounds)
}

fn arms(names: &[&str]) -> Vec<Arm> {
    names.iter().map(|name| arm(name)).collect()
}

/// The workspaces of each group, and the days it begins with.
fn groups(looks: &KnownLooks, of: Of<'_>, names: &[&str]) -> Vec<(String, Option<i64>)> {
    let groups = looks.groups(of, arms(names)).into_iter();
    let said = |group: Group<Arm>| {
        let names: Vec<&str> = group.arms.iter().map(|arm| &*arm.workspace).collect();
        (names.join(" "), group.length_ms.map(|ms| ms / DAY_MS))
    };
    groups.map(said).collect()
}

fn slice(names: &[&str], days: Option<i64>) -> Slice {
    let all = Slice::all(arms(names));
    let length_ms = days.map(|days| days * DAY_MS);
    all.first(length_ms, |_| Some(1), 1).unwrap()
}

#[test]
fn what_was_counted_apart_begins_apart_and_what_was_cut_as_far() {
    let looks = KnownLooks::new();
    let all = ["a", "b", "c", "d"];
    assert_eq!(groups(&looks, OF, &all), [("a b c d".into(), None)]);
    looks.counted(OF, &slice(&["b", "c"], None), true);
    looks.counted(OF, &slice(&["a"], Some(8)), true);
    let expected = [
        ("d".into(), None),
        ("b c".into(), None),
        ("a".into(), Some(8)),
    ];
    assert_eq!(groups(&looks, OF, &all), expected);
    // What is begun so and works goes on with more.
    looks.counted(OF, &slice(&["a"], Some(8)), false);
    assert_eq!(groups(&looks, OF, &["a"]), [("a".into(), Some(16))]);
    looks.counted(OF, &slice(&["d"], None), false);
    assert_eq!(groups(&looks, OF, &["d"]), [("d".into(), None)]);
    // Counted apart by itself it is cut as before.
    looks.together(OF, &arms(&["a"]));
    assert_eq!(groups(&looks, OF, &["a"]), [("a".into(), Some(16))]);
}

#[test]
fn how_far_several_are_counted_tells_where_anybody_begins() {
    let looks = KnownLooks::new();
    looks.counted(OF, &slice(&["a"], Some(8)), true);
    assert_eq!(groups(&looks, OF, &["z"]), [("z".into(), None)]);
    looks.counted(OF, &slice(&["b", "c"], Some(4)), true);
    assert_eq!(groups(&looks, OF, &["z"]), [("z".into(), Some(4))]);
}

#[test]
fn a_piece_is_known_as_its_arm_and_another_interval_is_not() {
    let looks = KnownLooks::new();
    looks.unknown(OF, &arm("a"), "why");
    let mut found = arms(&["a", "b"]);
    let piece = Arm {
        bounds: Bounds {
            below_ms: 9,
            from_ms: None,
        },
        cut_from: Some(arm("a").bounds),
        ..arm("a")
    };
    let other = Arm {
        bounds: piece.bounds,
        ..arm("a")
    };
    found.extend([piece, other.clone()]);
    let unknown = looks.take_unknown(OF, &mut found);
    assert_eq!(found, [arm("b"), other]);
    assert_eq!(unknown.len(), 2);
    assert!(
        unknown
            .iter()
            .all(|(_, reason)| reason.starts_with("why ("))
    );
}

#[test]
fn what_could_not_be_counted_is_tried_again_after_an_hour() {
    let looks = KnownLooks::new();
    looks.unknown(OF, &arm("a"), "why");
    let n_unknown = |minutes: i64| {
        let now = OF.now + SignedDuration::from_mins(minutes);
        looks
            .take_unknown(Of { now, ..OF }, &mut arms(&["a"]))
            .len()
    };
    assert_eq!((n_unknown(59), n_unknown(60)), (1, 0));
}
