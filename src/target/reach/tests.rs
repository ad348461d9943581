//! Reaches against a model that asks of each row who would let it go.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 2] = ["a", "b"];

/// A row that a rule expires, or not, by what its columns say.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    shard: &'a str,
    database: &'a str,
    table: &'a str,
    /// The column that has the workspace whose rules expire it; no other column does.
    workspace: &'a str,
    project: Option<&'a str>,
    /// The column whose age is expired.
    age: &'a str,
    /// The column whose value is referred to.
    kept: Option<&'a str>,
}

/// Whether a cycle by this reach would let the row go.
fn lets_go(reach: &Reach, row: Row<'_>) -> bool {
    let target = reach.targets.get(row.table).filter(|target| {
        target.workspace == row.workspace
            && target.project.as_deref() == row.project
            && target.age.column() == row.age
            && target
                .keep
                .iter()
                .all(|keep| Some(&*keep.column) != row.kept)
    });
    reach.shards.contains(row.shard) && reach.database == row.database && target.is_some()
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES.to_vec())
}

fn keep(column: &str) -> Keep {
    Keep {
        column: column.into(),
        in_table: "items".into(),
        in_column: "id".into(),
        in_workspace: "w".into(),
    }
}

fn target() -> impl Strategy<Value = TargetReach> {
    let keep = prop::collection::btree_set(name().prop_map(keep), 0..3);
    (name(), prop::option::of(name()), name(), keep).prop_map(|(workspace, project, age, keep)| {
        TargetReach {
            workspace: workspace.into(),
            project: project.map(str::to_owned),
            age: Age::Time(age.into()),
            keep,
        }
    })
}

/// Seldom another database, often the same targets: else nothing would ever agree.
fn reach() -> impl Strategy<Value = Reach> {
    let database = prop::sample::select(vec!["a", "a", "a", "b"]);
    let shards = prop::collection::btree_set(name().prop_map(str::to_owned), 1..3);
    let targets = prop::collection::btree_map(name().prop_map(str::to_owned), target(), 0..3);
    (database, shards, targets).prop_map(|(database, shards, targets)| Reach {
        database: database.into(),
        shards,
        targets,
    })
}

/// A few small changes to a reach.
fn changed(reach: Reach) -> impl Strategy<Value = Reach> {
    let other = prop::option::weighted(0.3, (name(), target()));
    let kept = prop::option::weighted(0.5, (name(), name().prop_map(keep), any::<bool>()));
    (Just(reach), other, kept).prop_map(|(mut reach, other, kept)| {
        if let Some((table, target)) = other {
            reach.targets.insert(table.into(), target);
        }
        if let Some((table, keep, is_added)) = kept
            && let Some(target) = reach.targets.get_mut(table)
        {
            if is_added {
                target.keep.insert(keep);
            } else {
                target.keep.remove(&keep);
            }
        }
        reach
    })
}

fn rows() -> Vec<Row<'static>> {
    let mut rows = Vec::new();
    let maybe = [None, Some("a"), Some("b")];
    for shard in NAMES {
        for database in NAMES {
            for table in NAMES {
                for workspace in NAMES {
                    for project in maybe {
                        for age in NAMES {
                            rows.extend(maybe.map(|kept| Row {
                                shard,
                                database,
                                table,
                                workspace,
                                project,
                                age,
                                kept,
                            }));
                        }
                    }
                }
            }
        }
    }
    rows
}

proptest! {
    #[test]
    fn what_does_not_wait_was_let_go_at_every_revision(
        (base, later, now) in reach().prop_flat_map(|base| {
            let later = prop::collection::vec(changed(base.clone()), 0..3);
            (Just(base.clone()), later, changed(base))
        }),
    ) {
        let later: Vec<&Reach> = later.iter().collect();
        let changes = now.changes_since(&base, &later);
        for row in rows() {
            let waits = changes.iter().any(|change| change.concerns(row.shard, row.table));
            if lets_go(&now, row) && !waits {
                prop_assert!(lets_go(&base, row), "{:?} {:#?}", row, changes);
                // A shard that was left out for a while promised nothing.
                let everywhere = |reach: &Reach| Reach { shards: now.shards.clone(), ..reach.clone() };
                for reach in &later {
                    prop_assert!(lets_go(&everywhere(reach), row), "{:?} {:#?}", row, changes);
                }
            }
        }
        for change in &changes {
            // Nothing waits without a reason: some row goes now that stayed then.
            let is_more = |row: &Row<'_>| {
                change.concerns(row.shard, row.table)
                    && lets_go(&now, *row)
                    && std::iter::once(&base).chain(later.iter().copied()).any(|was| !lets_go(was, *row))
            };
            let has_targets = now.targets.keys().any(|table| {
                now.shards.iter().any(|shard| change.concerns(shard, table))
            });
            prop_assert!(!has_targets || rows().iter().any(is_more), "{}", change);
        }
    }
}

fn parse(yaml: &str) -> Reach {
    let targets: Vec<Target> = serde_saphyr::from_str(yaml).unwrap();
    Reach::new("d", ["http://one"], &targets)
}

fn check(before: &str, now: &str, expected: &[&str]) {
    let changes = parse(now).changes_since(&parse(before), &[]);
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(lines, expected);
}

const PLAIN: &str = "[{table: t, workspace: w, age: {time: at}}]";
const KEEPS: &str = "[{table: t, workspace: w, age: {time: at}, \
     keep: [{column: id, in_table: items, in_column: t, in_workspace: w}]}]";

#[test]
fn only_what_reaches_further_is_a_change() {
    check(PLAIN, PLAIN, &[]);
    check(PLAIN, KEEPS, &[]);
    check(PLAIN, "[]", &[]);
    check(
        KEEPS,
        PLAIN,
        &["target t: its keep of id in items (in_column: t, in_workspace: w) was removed"],
    );
    check("[]", PLAIN, &["target t: is new"]);
    check(
        PLAIN,
        "[{table: t, workspace: v, project: p, age: {uuid_v7: id}}]",
        &[
            "target t: its workspace was w, and is v",
            "target t: its project was none, and is p",
            "target t: its age was {time: at}, and is {uuid_v7: id}",
        ],
    );
    // What becomes of projections, and the order.
    check(
        "[{table: t, workspace: w, age: {time: at}}, {table: s, workspace: w, age: {time: at}}]",
        "[{table: s, workspace: w, age: {time: at}}, {table: t, workspace: w, age: {time: at}, projections: drop}]",
        &[],
    );
}

#[test]
fn what_was_different_in_between_counts_but_a_shard() {
    let now = parse(PLAIN);
    let lines = |later: &[&Reach]| {
        let changes = now.changes_since(&parse(PLAIN), later);
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(lines(&[&parse(PLAIN)]).is_empty());
    assert_eq!(lines(&[&parse("[]"), &parse("[]")]), ["target t: is new"]);
    let elsewhere = |database, shard| {
        let targets: Vec<Target> = serde_saphyr::from_str(PLAIN).unwrap();
        Reach::new(database, [shard], &targets)
    };
    assert!(lines(&[&elsewhere("d", "http://two")]).is_empty());
    let other = lines(&[&elsewhere("c", "http://one")]);
    assert_eq!(other, ["the database was c, and is d"]);
    let moved = now.changes_since(&elsewhere("d", "http://two"), &[]);
    assert_eq!(moved[0].to_string(), "shard http://one: is new");
    assert!(moved[0].concerns("http://one", "t") && !moved[0].concerns("http://two", "t"));
}
