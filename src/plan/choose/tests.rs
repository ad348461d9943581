use super::*;

fn partition(id: &str, n_parts: u64, n_rows: u64, n_due: u64) -> Partition {
    Partition {
        id: id.into(),
        value: id.into(),
        n_parts,
        n_rows,
        n_bytes: n_rows * 100,
        n_due,
        ..Partition::default()
    }
}

fn chosen(ways: &Ways, partitions: &[Partition]) -> Vec<(Method, Vec<String>, u64)> {
    let rest = partitions.iter().filter(|partition| !partition.goes_whole);
    let facts = Facts {
        ways,
        partitions,
        knows_partitions: true,
        n_due: rest.map(|partition| partition.n_due).sum(),
        obstacle: None,
        rates: &Rates::default(),
    };
    let plain = |choice: Choice| {
        assert!(!choice.reason.is_empty());
        let ids = choice.partitions.iter().map(ToString::to_string).collect();
        (choice.method, ids, choice.n_parts)
    };
    choose(&facts).into_iter().map(plain).collect()
}

fn ways() -> Ways {
    Ways {
        is_partitioned: true,
        ..Ways::default()
    }
}

/// 60 partitions of two parts, a million rows each, and some due in the first ones.
fn many(due: &[u64]) -> Vec<Partition> {
    let due = |at: usize| due.get(at).copied().unwrap_or(0);
    let name = |at: usize| format!("{}", 20_260_101 + at);
    (0..60)
        .map(|at| partition(&name(at), 2, 1_000_000, due(at)))
        .collect()
}

#[test]
fn nothing_due_is_nothing_to_do() {
    assert_eq!(chosen(&ways(), &many(&[])), []);
}

#[test]
fn whole_partitions_go_in_one_statement_and_the_rest_follows() {
    let mut partitions = many(&[1_000_000, 1_000_000, 900_000]);
    for partition in partitions.iter_mut().take(2) {
        partition.goes_whole = true;
    }
    assert_eq!(
        chosen(&ways(), &partitions),
        [
            (
                Method::Partition,
                vec!["20260101".into(), "20260102".into()],
                4
            ),
            (Method::Lightweight, vec!["20260103".into()], 116),
        ]
    );
}

#[test]
fn a_statement_drops_no_more_parts_than_it_can_name() {
    let whole = |id: &str, n_parts| Partition {
        goes_whole: true,
        ..partition(id, n_parts, 1_000, 1_000)
    };
    let partitions = [600, 400, 1, 1_000, 999].map(|n_parts| whole("x", n_parts));
    let n_parts: Vec<u64> = chosen(&ways(), &partitions)
        .into_iter()
        .map(|(_, _, n_parts)| n_parts)
        .collect();
    assert_eq!(n_parts, [1_000, 1, 1_000, 999]);
}

#[test]
fn patches_are_chosen_for_few_rows_in_many_parts_where_the_table_takes_them() {
    let few = many(&[5_000, 5_000, 5_000]);
    let patching = Ways {
        can_patch: true,
        ..ways()
    };
    assert_eq!(chosen(&patching, &few), [(Method::Patch, vec![], 6)]);
    assert_eq!(chosen(&ways(), &few), [(Method::Lightweight, vec![], 120)]);
    // Not where much of the table goes, nor where it has few parts.
    let much = many(&[900_000; 10]);
    assert_eq!(chosen(&patching, &much)[0].0, Method::Lightweight);
    assert_eq!(chosen(&patching, &few[..9])[0].0, Method::Lightweight);
    // And not where the config says otherwise.
    let pinned = Ways {
        method: MethodChoice::Lightweight,
        ..patching.clone()
    };
    assert_eq!(chosen(&pinned, &few)[0].0, Method::Lightweight);
    let pinned = Ways {
        method: MethodChoice::Patch,
        ..patching
    };
    assert_eq!(chosen(&pinned, &much)[0].0, Method::Patch);
}

#[test]
fn partitions_by_themselves_are_worth_it_where_others_are_not_touched() {
    let three = many(&[5_000, 5_000, 5_000]);
    let replicated = Ways {
        is_replicated: true,
        ..ways()
    };
    let apart = chosen(&replicated, &three);
    assert_eq!(apart.len(), 3);
    assert_eq!(apart[0], (Method::Lightweight, vec!["20260101".into()], 2));
    assert_eq!(
        chosen(&ways(), &three),
        [(Method::Lightweight, vec![], 120)]
    );
    // Never dozens of mutations.
    assert_eq!(chosen(&replicated, &many(&[9; 40])).len(), 1);
    let wanted = Ways {
        method: MethodChoice::Partition,
        ..ways()
    };
    assert_eq!(chosen(&wanted, &three).len(), 3);
}

#[test]
fn a_table_without_partitions_is_taken_as_a_whole() {
    let all = [partition("all", 9, 1_000, 10)];
    let expected = [(Method::Lightweight, vec![], 9)];
    assert_eq!(chosen(&Ways::default(), &all), expected);
}

#[test]
fn sizes_are_for_people() {
    let said = [0, 1_023, 1_024, 3_328_599_654, 1 << 40].map(|size| Bytes(size).to_string());
    assert_eq!(
        said,
        ["0 bytes", "1023 bytes", "1.0 KiB", "3.1 GiB", "1.0 TiB"]
    );
}
