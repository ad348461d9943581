use jiff::Timestamp;

use super::*;

fn look(place: u64, hour: i64, left: Left) -> Look {
    let tables = Tables::from([("traces".to_owned(), left)]);
    Look {
        range: SlotRange {
            from: place,
            to: place + 1,
        },
        at: Timestamp::from_second(hour * 3_600).unwrap(),
        terms: String::new(),
        body: serde_json::to_string(&tables).unwrap(),
    }
}

fn left(n_rows: u64, n_future: u64) -> Left {
    Left {
        n_rows,
        lag_s: n_rows * 10,
        n_waiting: 1,
        n_by_hand: n_rows,
        n_undatable: n_future * 2,
        n_future,
        ..Left::default()
    }
}

#[test]
fn looks_at_different_places_add_up_and_what_is_of_the_whole_table_is_as_last_seen() {
    let looks = [
        look(0, 3, left(5, 1)),
        look(1, 4, left(7, 3)),
        look(2, 2, left(1, 9)),
    ];
    let all = Left {
        n_rows: 13,
        lag_s: 70,
        n_waiting: 3,
        n_by_hand: 7,
        n_undatable: 6,
        n_future: 3,
        ..Left::default()
    };
    assert_eq!(left_of(&seen(&looks), "traces"), all);
    assert_eq!(left_of(&seen(&looks), "spans"), Left::default());
    let strange = Look {
        body: "[]".into(),
        ..looks[0].clone()
    };
    assert_eq!(left_of(&seen([&strange]), "traces"), Left::default());
}

#[test]
fn what_held_a_table_back_anywhere_stands_until_it_is_looked_at_again() {
    let held = |reason: &str| {
        Some(HeldBack {
            by: "failed".into(),
            reason: reason.into(),
        })
    };
    let because = |reason| Left {
        held: held(reason),
        ..left(1, 0)
    };
    let mut looks = vec![
        look(0, 3, because("earlier")),
        look(1, 4, because("later")),
        look(2, 5, left(1, 0)),
    ];
    assert_eq!(left_everywhere(&looks, "traces").held, held("later"));
    looks[1].body = "{}".into();
    assert_eq!(left_everywhere(&looks, "traces").held, held("earlier"));
}

#[test]
fn a_table_that_could_not_be_looked_at_keeps_what_was_seen_of_it() {
    let looks = [look(0, 3, left(5, 1)), look(1, 4, left(7, 3))];
    let range = SlotRange { from: 0, to: 1 };
    let mut tables = Tables::from([("spans".to_owned(), left(2, 0))]);
    keep_unseen(&mut tables, &["traces", "other"].into(), range, &looks);
    // Of these places, and of the whole table as any look saw it last.
    let kept = Left {
        n_undatable: 6,
        n_future: 3,
        ..left(5, 1)
    };
    let expected = [("spans", left(2, 0)), ("traces", kept)];
    let expected = expected.map(|(table, left)| (table.to_owned(), left));
    assert_eq!(tables, Tables::from(expected.clone()));
    // A second shard, with less, was looked at.
    tables.insert("traces".into(), left(1, 0));
    keep_unseen(&mut tables, &["traces"].into(), range, &looks);
    assert_eq!(tables, Tables::from(expected));
}

#[test]
fn a_table_of_which_a_workspace_is_left_alone_was_looked_at() {
    let unprobed = |table: &str| Unprobed {
        shard: "s".into(),
        table: Some(table.into()),
        workspace: None,
        reason: "it takes too long".into(),
        is_unreachable: false,
        is_running: false,
    };
    let plan = Plan {
        unprobed: vec![
            unprobed("traces"),
            Unprobed {
                workspace: Some("w".into()),
                ..unprobed("spans")
            },
            Unprobed {
                is_running: true,
                ..unprobed("comments")
            },
        ],
        ..Plan::default()
    };
    assert_eq!(unseen(&plan), ["traces"].into());
}
