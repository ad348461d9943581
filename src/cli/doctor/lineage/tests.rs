//! What is found in facts that no server is needed for.

use super::*;
use crate::cli::doctor::finding::Severity;

fn relation(name: &str, engine: &str, full: &str) -> Relation {
    Relation {
        database: "d".into(),
        name: name.into(),
        is_here: true,
        uuid: format!("id-of-{name}"),
        engine: engine.into(),
        engine_full: full.into(),
        holds_rows: engine.ends_with("MergeTree"),
        ..Relation::default()
    }
}

fn view(name: &str, to: &str, select: &str) -> Relation {
    Relation {
        ddl: format!("CREATE MATERIALIZED VIEW d.{name}{to} (`n` UInt64) AS {select}"),
        as_select: select.into(),
        ..relation(name, "MaterializedView", "")
    }
}

fn check(relations: &[Relation], unmanaged: &[&str]) -> Vec<(Severity, String, String)> {
    let unmanaged: Vec<String> = unmanaged.iter().map(ToString::to_string).collect();
    let with_workspace: Vec<String> = relations.iter().map(|r| r.name.clone()).collect();
    let lineage = Lineage {
        database: "d",
        relations,
        targets: &["spans"],
        unmanaged: &unmanaged,
        with_workspace: &with_workspace,
        is_complete: true,
        clusters: &[],
        n_shards: 1,
    };
    let mut findings = Findings::default();
    lineage.check(&mut findings);
    let all = findings.0.into_iter();
    all.map(|found| {
        (
            found.severity,
            format!("{} {}", found.code.as_str(), found.subject),
            found.message,
        )
    })
    .collect()
}

fn subjects(relations: &[Relation], unmanaged: &[&str]) -> Vec<String> {
    let found = check(relations, unmanaged).into_iter();
    found.map(|(_, subject, _)| subject).collect()
}

#[test]
fn a_view_that_writes_through_a_distributed_table_fills_the_one_behind_it() {
    let relations = [
        relation("spans", "MergeTree", "MergeTree ORDER BY id"),
        relation(
            "roll",
            "Distributed",
            "Distributed('c', 'd', 'roll_local', rand())",
        ),
        relation(
            "roll_local",
            "SummingMergeTree",
            "SummingMergeTree ORDER BY id",
        ),
        view("fill", " TO d.roll", "SELECT n FROM d.spans"),
    ];
    assert_eq!(subjects(&relations, &[]), ["derived-table roll_local"]);
    assert_eq!(subjects(&relations, &["roll_local"]), [""; 0]);
    assert_eq!(subjects(&relations, &["d.fill"]), [""; 0]);
}

#[test]
fn inner_tables_are_told_by_the_name_of_their_view() {
    let named = [
        relation("spans", "MergeTree", "MergeTree ORDER BY id"),
        relation(".inner_id.id-of-one", "MergeTree", "MergeTree ORDER BY id"),
        relation(
            ".inner.two",
            "MergeTree",
            "MergeTree ORDER BY id TTL at + toIntervalDay(7)",
        ),
        view("one", "", "SELECT n FROM d.spans"),
        view("two", "", "SELECT n FROM d.one"),
    ];
    let found = check(&named, &[]);
    let [(Severity::Warning, one, _), (Severity::Info, two, message)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (one.as_str(), two.as_str()),
        ("derived-table one", "derived-table two")
    );
    assert!(message.contains("of spans (spans → one)"), "{message}");
}

#[test]
fn a_merge_table_reads_what_its_pattern_matches() {
    let over = |parameters: &str| {
        [
            relation("spans", "MergeTree", "MergeTree ORDER BY id"),
            relation("merged", "Merge", &format!("Merge({parameters})")),
        ]
    };
    for parameters in ["'d', '^spa'", "REGEXP('^d$'), 's'"] {
        assert_eq!(subjects(&over(parameters), &[]), ["reads-through merged"]);
    }
    for parameters in ["'d', '^pan'", "'other', '^spa'", "REGEXP('^other$'), 's'"] {
        assert_eq!(subjects(&over(parameters), &[]), [""; 0], "{parameters}");
    }
}

#[test]
fn a_ring_of_views_comes_to_an_end() {
    let relations = [
        relation("spans", "MergeTree", "MergeTree ORDER BY id"),
        relation("a", "MergeTree", "MergeTree ORDER BY id"),
        view("one", " TO d.a", "SELECT n FROM d.spans"),
        view("two", " TO d.spans", "SELECT n FROM d.a"),
    ];
    assert_eq!(subjects(&relations, &[]), ["derived-table a"]);
}
