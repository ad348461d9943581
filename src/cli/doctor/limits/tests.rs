//! What is found in facts that no server is needed for.

use super::*;
use crate::cli::doctor::finding::Severity;
use crate::plan::Partition;

fn found(check: impl Fn(&mut Findings)) -> Vec<(Severity, &'static str, String)> {
    let mut findings = Findings::default();
    check(&mut findings);
    let all = findings.0.into_iter();
    all.map(|finding| (finding.severity, finding.code.as_str(), finding.message))
        .collect()
}

fn schema(settings: &str) -> TableSchema {
    TableSchema {
        name: "spans".into(),
        engine_full: format!("MergeTree ORDER BY id SETTINGS index_granularity = 8192{settings}"),
        defaults: [(DELAY, "500"), (THROW, "1000")]
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        ..TableSchema::default()
    }
}

#[test]
fn parts_are_told_above_a_thousand() {
    for (n_parts, n_found) in [(1_000, 0), (1_001, 1)] {
        let mut schema = schema("");
        schema.parts = n_parts;
        assert_eq!(found(|findings| parts(&schema, findings)).len(), n_found);
    }
}

#[test]
fn unfinished_mutations_are_told_from_half_of_the_lowest_limit_on() {
    let n_found = |settings: &str, n_unfinished| {
        let backlog = [MutationBacklog {
            table: "spans".into(),
            n_unfinished,
        }];
        found(|findings| mutations(&schema(settings), &backlog, findings)).len()
    };
    assert_eq!((n_found("", 249), n_found("", 250)), (0, 1));
    let lower = ", number_of_mutations_to_throw = 10";
    assert_eq!((n_found(lower, 4), n_found(lower, 5)), (0, 1));
    let off = ", number_of_mutations_to_throw = 0, number_of_mutations_to_delay = 0";
    assert_eq!((n_found(off, 10_000), n_found("", 0)), (0, 0));
}

#[test]
fn a_partition_is_told_only_above_the_limit() {
    let partition = |id: &str, n_bytes| Partition {
        id: id.into(),
        value: id.into(),
        n_bytes,
        ..Partition::default()
    };
    let mut there = Partitions {
        found: vec![partition("202610", 1 << 30), partition("202611", 60 << 30)],
        ..Partitions::default()
    };
    let told =
        |there: &Partitions, limit| found(|findings| partitions("spans", there, limit, findings));
    assert_eq!((told(&there, 0), told(&there, 60 << 30)), (vec![], vec![]));
    for (is_of_user, who) in [(false, "the server drops"), (true, "this user may drop")] {
        there.is_of_user = is_of_user;
        let told = told(&there, 50 << 30);
        let expected = format!("partition 202611 holds 60 GiB, and {who} none above 50 GiB");
        assert!(
            matches!(&*told, [(_, "drop-limit", text)] if text.contains(&expected)),
            "{told:?}"
        );
    }
    there.found = vec![partition("all", 60 << 30)];
    assert_eq!(told(&there, 1), [], "it has no partitions");
}

#[test]
fn mutations_of_no_workload_are_told_where_statements_have_one() {
    for (settings, of_server, ours, n_found) in [
        ("", Some("default"), "retention", 1),
        ("", Some(""), "retention", 1),
        ("", None, "retention", 1),
        ("", Some("default"), "default", 0),
        ("", Some("background"), "retention", 0),
        (
            ", mutation_workload = 'retention'",
            Some("default"),
            "retention",
            0,
        ),
        (
            ", mutation_workload = ''",
            Some("background"),
            "retention",
            0,
        ),
        (
            ", mutation_workload = 'default'",
            Some("background"),
            "retention",
            1,
        ),
    ] {
        let found = found(|findings| {
            mutation_workload(&schema(settings), ours, of_server, findings);
        });
        assert_eq!(found.len(), n_found, "{settings} {of_server:?} {ours}");
    }
}

#[test]
fn logs_are_told_by_what_they_hold_and_old_ones_by_themselves() {
    let log = |name: &str, ttl: &str, size_bytes| SystemLog {
        name: name.into(),
        engine_full: format!("MergeTree ORDER BY event_time{ttl}"),
        size_bytes,
    };
    let kept = ["query_log", "query_log_0"]
        .map(|name| log(name, " TTL event_date + toIntervalDay(30)", 9 << 30));
    assert_eq!(found(|findings| system_logs("s", &kept, findings)), []);
    let small = [log("part_log", "", 2_560)];
    let small = found(|findings| system_logs("s", &small, findings));
    assert!(
        matches!(&*small, [(Severity::Info, "system-log-without-ttl", text)] if text.ends_with(": part_log 2.5 KiB")),
        "{small:?}"
    );
    let large = [
        log("query_log", "", 3 << 30),
        log("query_log_0", "", 1 << 30),
        log("text_log", "", 512),
    ];
    let large = found(|findings| system_logs("s", &large, findings));
    assert!(
        matches!(&*large, [
        (Severity::Warning, "old-system-log", old),
        (Severity::Warning, "system-log-without-ttl", text),
    ] if old.contains("left query_log_0 1 GiB:") && text.ends_with(": query_log 3 GiB, text_log 512 B, 3 GiB in all")),
        "{large:?}"
    );
}
