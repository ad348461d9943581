//! A ledger of the first release, with what it holds, becomes one of this version.

use std::path::Path;

use ebbtide::{CycleRecord, StepRecord};

use super::contract::{intent, outcome, start};
use super::{Fresh, at, rule, workspace};

/// The last migration of the first release.
const N_FIRST: usize = 6;

/// The schema of the first release, and rows as it wrote them.
async fn first_release(fresh: &Fresh) {
    let database = if fresh.is_mysql() { "mysql" } else { "sqlite" };
    let folder = format!("sql/ledger/{database}/migrations");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    // What refinery writes, with checksums that only it can make: taken from a ledger beside it.
    let other = if fresh.is_mysql() {
        Fresh::mysql().await
    } else {
        Fresh::sqlite().await
    };
    let history = other.history().await;
    for (version, name, checksum) in history.iter().take(N_FIRST) {
        let stem = format!("V{version}__{name}");
        let file = files
            .iter()
            .find(|file| file.file_stem().unwrap() == stem.as_str());
        let sql = std::fs::read_to_string(file.unwrap()).unwrap();
        fresh.run(&sql).await.unwrap();
        fresh
            .run(
                "CREATE TABLE IF NOT EXISTS refinery_schema_history (version INT PRIMARY KEY, \
                 name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255))",
            )
            .await
            .unwrap();
        let entry = format!(
            "INSERT INTO refinery_schema_history VALUES ({version}, '{name}', \
             '2026-01-01T00:00:00Z', '{checksum}')"
        );
        fresh.run(&entry).await.unwrap();
    }
    let key = |text: &str| text.repeat(32);
    let instant = |text: &str| fresh.instant(text);
    let bytes = |text: &str| {
        if fresh.is_mysql() {
            format!("'{}'", key(text))
        } else {
            format!("CAST('{}' AS BLOB)", key(text))
        }
    };
    let (created, gone) = (
        instant("2026-11-21T10:00:00.123456Z"),
        instant("2026-11-21T11:00:00.000000Z"),
    );
    let started = instant("2026-11-21T10:00:00.500000Z");
    let as_of = instant("2026-11-21T09:59:59.000001Z");
    let intended = instant("2026-11-21T10:00:01.000000Z");
    let finished = instant("2026-11-21T10:00:02.000003Z");
    let (rules, statement) = ("ab".repeat(32), "cd".repeat(32));
    for sql in [
        format!(
            "INSERT INTO rules (scope_kind, workspace, scope_key, retention, apply_to_past, \
             created_at, created_by, deactivated_at, deactivated_by) VALUES \
             ('workspace', 'w0', {}, '7d', 1, '{created}', 'eva', '{gone}', 'tom'), \
             ('workspace', 'w1', {}, '7d', 1, '{created}', 'eva', NULL, NULL)",
            bytes("a"),
            bytes("b"),
        ),
        "UPDATE meta SET revision = 5".into(),
        format!(
            "INSERT INTO cycles VALUES ('c1', '{started}', '{as_of}', '{rules}', 5, '{gone}', \
             'done')"
        ),
        format!(
            "INSERT INTO steps VALUES ('c1', 1, 'http://127.0.0.1:8123', 'traces', \
             'lightweight', 'in', 'c1-1', '{statement}', 1000, 5000000000, '{intended}', \
             'verified', NULL, NULL, '{finished}')"
        ),
    ] {
        fresh
            .run(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

async fn check(fresh: Fresh) {
    first_release(&fresh).await;
    assert!(fresh.ledger.check_schema().await.is_err());
    let applied = fresh.ledger.migrate().await.unwrap();
    assert_eq!(applied[0], "V7__rule_revisions");
    fresh.ledger.check_schema().await.unwrap();

    let ledger = &fresh.ledger;
    assert_eq!(fresh.revision().await, 5);
    let history = fresh.rules(true).await;
    assert_eq!(history.len(), 2);
    assert_eq!(history[1].rule, rule(workspace("w1"), "7d"));
    // What is active counts as created at revision zero; what no longer is never held since.
    for revision in [0, 5, 6] {
        let mut rules = Vec::new();
        let mut visit = |rule| rules.push(rule);
        ledger.each_rule_at(revision, &mut visit).await.unwrap();
        assert_eq!(rules, history[1..], "at {revision}");
    }
    let now = ledger.now().await.unwrap();
    assert_eq!(ledger.revision_at(now).await.unwrap(), Some(5));
    let before = at("2026-01-01T00:00:00Z");
    assert_eq!(ledger.revision_at(before).await.unwrap(), None);

    let mut old = start("c1");
    (old.kind, old.plan_digest, old.holder) = ("run".into(), String::new(), String::new());
    (old.revision, old.lease_token) = (5, 0);
    let cycle = CycleRecord {
        start: old,
        end: Some((at("2026-11-21T11:00:00Z"), "done".into())),
    };
    assert_eq!(ledger.cycles(9).await.unwrap(), [cycle]);
    let (mut intent, mut outcome) = (intent(1), outcome(1, "verified"));
    (intent.predicate, intent.bounds, intent.n_parts) = (String::new(), String::new(), 0);
    outcome.duration_ms = 0;
    let step = StepRecord {
        intent,
        outcome: Some(outcome),
    };
    assert_eq!(ledger.steps("c1").await.unwrap(), [step]);
    assert_eq!(fresh.kinds().await, [""; 0], "the record begins now");

    let replaced = ledger
        .create_rule(&rule(workspace("w2"), "8d"), "eva".into())
        .await;
    assert_eq!(replaced.unwrap().id, 3);
    assert_eq!(fresh.revision().await, 6);
    assert_eq!(fresh.flaws().await, []);
}

#[tokio::test]
async fn of_the_first_release_on_sqlite() {
    check(Fresh::bare_sqlite().await).await;
}

#[tokio::test]
async fn of_the_first_release_on_mysql() {
    check(Fresh::bare_mysql().await).await;
}
