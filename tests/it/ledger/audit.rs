//! The record: one entry for each change, none for what failed, and no edit goes unnoticed.

use ebbtide::{Chain, Flaw, ImportRule, Intended, MutationKill, NewRule, Scope};

use super::contract::{intent, outcome, start};
use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    every_change_is_one_entry,
    what_fails_or_changes_nothing_leaves_no_entry,
    an_import_is_one_entry_that_covers_all_of_it,
    the_end_of_a_mutation_is_one_entry_and_no_revision,
    every_edit_beside_the_ledger_is_found,
    cutting_off_the_end_is_found,
    a_record_written_anew_is_found_by_a_head_kept_elsewhere,
    it_holds_no_row_and_no_message_of_a_server,
);

async fn every_change_is_one_entry(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    let when = at("2026-11-22T00:00:00Z");
    let id = ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap()
        .id;
    ledger.deactivate_rule(id, "tom", when).await.unwrap();
    let mut pairs = [Ok(("w".into(), "acme".into()))].into_iter();
    ledger.put_workspaces(&mut pairs, "ann").await.unwrap();
    let mut cycle = start("c1");
    cycle.revision = fresh.revision().await;
    ledger.begin_cycle(&cycle).await.unwrap();
    ledger.intend_step(&intent(1)).await.unwrap();
    ledger.finish_step(&outcome(1, "unknown")).await.unwrap();
    ledger.finish_step(&outcome(1, "verified")).await.unwrap();
    ledger.end_cycle("c1", "done", when).await.unwrap();

    let entries = fresh.entries().await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.seq,
                entry.fact.kind.as_str(),
                entry.fact.actor.as_str(),
            )
        })
        .collect();
    let host = "host-1 💧";
    let expected = [
        (1, "rule_created", "eva"),
        (2, "rule_deactivated", "tom"),
        (3, "workspaces_put", "ann"),
        (4, "cycle_begun", host),
        (5, "step_intended", host),
        (6, "step_finished", host),
        (7, "step_finished", host),
        (8, "cycle_ended", host),
    ];
    assert_eq!(told, expected);
    let first = &entries[0].fact.body;
    assert_eq!(first["scope"], serde_json::json!({"workspace": "w1"}));
    assert_eq!(
        (&first["retention"], &first["rule"]),
        (&"7d".into(), &id.into())
    );
    assert_eq!(entries[4].fact.body["rows_due"], 5_000_000_000_u64);
    let now = ledger.now().await.unwrap();
    assert!(
        entries
            .windows(2)
            .all(|pair| pair[0].fact.at <= pair[1].fact.at)
    );
    assert!(entries.iter().all(|entry| entry.fact.at <= now));
    assert_eq!(fresh.flaws().await, []);

    let mut some = Vec::new();
    ledger
        .each_entry(7, None, &mut |entry| some.push(entry))
        .await
        .unwrap();
    assert_eq!(some, entries[6..]);
    some.clear();
    ledger
        .each_entry(3, Some(2), &mut |entry| some.push(entry))
        .await
        .unwrap();
    assert_eq!(some, entries[2..4]);
    assert_eq!(ledger.audit_head().await.unwrap(), entries[7].head());
}

async fn what_fails_or_changes_nothing_leaves_no_entry(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    let when = at("2026-11-22T00:00:00Z");
    ledger.begin_cycle(&start("c1")).await.unwrap();
    ledger.intend_step(&intent(1)).await.unwrap();
    ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap();
    let before = fresh.entries().await;

    let mut early = rule(workspace("w1"), "8d");
    early.created_at = at("1969-01-01T00:00:00Z");
    assert!(ledger.create_rule(&early, "eva".into()).await.is_err());
    let broken = [Ok(line("w1", "8d")), Err("line 2".to_owned())];
    let import = ledger
        .import_rules(&mut broken.into_iter(), "eva", when)
        .await;
    assert!(import.is_err());
    let same = ledger
        .import_rules(&mut [Ok(line("w1", "7d"))].into_iter(), "eva", when)
        .await;
    assert_eq!(same.unwrap().n_unchanged, 1);
    let pairs: [Result<_, String>; 0] = [];
    ledger
        .put_workspaces(&mut pairs.into_iter(), "eva")
        .await
        .unwrap();
    assert_eq!(
        ledger.intend_step(&intent(2)).await.unwrap(),
        Intended::Stale
    );
    assert!(ledger.begin_cycle(&start("c1")).await.is_err(), "the key");
    assert!(ledger.finish_step(&outcome(9, "verified")).await.is_err());
    assert!(ledger.end_cycle("c9", "done", when).await.is_err());
    ledger.deactivate_rule(99, "eva", when).await.unwrap();
    ledger.release_hold(99, "eva", when).await.unwrap();
    assert_eq!(fresh.entries().await, before);
    assert_eq!(ledger.audit_head().await.unwrap(), before[2].head());
}

fn line(name: &str, retention: &str) -> ImportRule {
    ImportRule {
        scope: workspace(name),
        retention: retention.into(),
        apply_to_past: true,
        created_at: None,
    }
}

async fn an_import_is_one_entry_that_covers_all_of_it(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let when = at("2026-11-22T00:00:00Z");
    ledger
        .create_rule(&rule(workspace("w7"), "7d"), "eva".into())
        .await
        .unwrap();
    let mut lines = (0..1_201).map(|number| Ok(line(&format!("w{number}"), "8d")));
    ledger.import_rules(&mut lines, "eva", when).await.unwrap();
    let mut pairs = (0..1_201).map(|number| Ok((format!("w{number}").into(), "acme".into())));
    ledger.put_workspaces(&mut pairs, "eva").await.unwrap();
    let entries = fresh.entries().await;
    assert_eq!(
        fresh.kinds().await,
        ["rule_created", "rules_imported", "workspaces_put"]
    );
    let ids: Vec<_> = fresh
        .rules(false)
        .await
        .iter()
        .map(|rule| rule.id)
        .collect();
    assert_eq!(ids.len(), 1_201);
    let body = &entries[1].fact.body;
    assert_eq!(body["n_created"], 1_201);
    assert_eq!(body["n_replaced"], 1);
    assert_eq!(body["first_rule"], ids[0]);
    assert_eq!(body["last_rule"], ids[1_200]);
    assert_eq!(body["digest"].as_str().unwrap().len(), 64);
    assert_eq!(entries[2].fact.body["n_changed"], 1_201);
}

async fn the_end_of_a_mutation_is_one_entry_and_no_revision(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let before = ledger.revision().await.unwrap();
    let kill = MutationKill {
        shard: "http://a:8123".into(),
        table: "traces".into(),
        mutation: "mutation_7.txt".into(),
        marker: "ebbtide:retention:traces:c1-1".into(),
    };
    ledger.note_kill(&kill, "eva").await.unwrap();
    assert_eq!(fresh.kinds().await, ["mutation_killed"]);
    let fact = &fresh.entries().await[0].fact;
    assert_eq!(
        (&*fact.actor, &fact.body["mutation"]),
        ("eva", &"mutation_7.txt".into())
    );
    assert_eq!(ledger.revision().await.unwrap(), before);
    assert_eq!(fresh.flaws().await, []);
}

/// Five entries of which the middle one can be hurt.
async fn recorded(fresh: &Fresh) {
    for number in 1..=5 {
        let new = NewRule {
            scope: Scope::Organization(format!("o{number}").into()),
            ..rule(workspace(""), "7d")
        };
        fresh.ledger.create_rule(&new, "eva".into()).await.unwrap();
    }
    assert_eq!(fresh.flaws().await, []);
}

async fn every_edit_beside_the_ledger_is_found(fresh: Fresh) {
    recorded(&fresh).await;
    let copy = "CREATE TABLE copy AS SELECT * FROM audit";
    fresh.run(copy).await.unwrap();
    let edited = vec![Flaw::Edited { seq: 3 }];
    let unlinked = vec![Flaw::Edited { seq: 3 }, Flaw::Unlinked { seq: 4 }];
    let missing = |from, to| vec![Flaw::Missing { from, to }];
    let both = vec![Flaw::Edited { seq: 2 }, Flaw::Edited { seq: 4 }];
    let link = "0000000000000000000000000000000000000000000000000000000000000000";
    for (edit, expected) in [
        (
            "UPDATE audit SET actor = 'tom' WHERE seq = 3",
            edited.clone(),
        ),
        (
            "UPDATE audit SET actor = 'eva ' WHERE seq = 3",
            edited.clone(),
        ),
        (
            "UPDATE audit SET kind = 'rule_deactivated' WHERE seq = 3",
            edited.clone(),
        ),
        (
            "UPDATE audit SET body = REPLACE(body, '7d', '8d') WHERE seq = 3",
            edited.clone(),
        ),
        (
            "UPDATE audit SET body = REPLACE(body, ',', ', ') WHERE seq = 3",
            edited.clone(),
        ),
        (
            "UPDATE audit SET body = 'no JSON' WHERE seq = 3",
            edited.clone(),
        ),
        (
            "UPDATE audit SET recorded_at = '2026-01-01 00:00:00.000000' WHERE seq = 3",
            edited,
        ),
        (
            &format!("UPDATE audit SET hash = '{link}' WHERE seq = 3"),
            unlinked,
        ),
        (
            &format!("UPDATE audit SET previous = '{link}' WHERE seq = 3"),
            vec![Flaw::Unlinked { seq: 3 }, Flaw::Edited { seq: 3 }],
        ),
        ("DELETE FROM audit WHERE seq = 3", missing(3, 3)),
        ("DELETE FROM audit WHERE seq IN (2, 3)", missing(2, 3)),
        ("DELETE FROM audit WHERE seq < 3", missing(1, 2)),
        ("DELETE FROM audit WHERE seq > 3", missing(4, 5)),
        ("DELETE FROM audit", missing(1, 5)),
        (
            "UPDATE audit SET body = (SELECT body FROM copy WHERE copy.seq = 6 - audit.seq), \
             recorded_at = (SELECT recorded_at FROM copy WHERE copy.seq = 6 - audit.seq) \
             WHERE seq IN (2, 4)",
            both,
        ),
    ] {
        fresh
            .run(edit)
            .await
            .unwrap_or_else(|error| panic!("{edit}: {error}"));
        assert_eq!(fresh.flaws().await, expected, "{edit}");
        fresh.run("DELETE FROM audit").await.unwrap();
        fresh
            .run("INSERT INTO audit SELECT * FROM copy")
            .await
            .unwrap();
        assert_eq!(fresh.flaws().await, []);
    }
    // Two entries that change places, with all they have.
    fresh
        .run("UPDATE audit SET seq = 100 - seq WHERE seq IN (2, 4)")
        .await
        .unwrap();
    fresh
        .run("UPDATE audit SET seq = seq - 94 WHERE seq = 96")
        .await
        .unwrap();
    fresh
        .run("UPDATE audit SET seq = seq - 94 WHERE seq = 98")
        .await
        .unwrap();
    let flaws = fresh.flaws().await;
    for seq in [2, 4] {
        assert!(flaws.contains(&Flaw::Edited { seq }), "{flaws:?}");
    }
}

async fn cutting_off_the_end_is_found(fresh: Fresh) {
    recorded(&fresh).await;
    let kept = fresh.ledger.audit_head().await.unwrap();
    fresh.run("DELETE FROM audit WHERE seq > 3").await.unwrap();
    assert_eq!(fresh.flaws().await, [Flaw::Missing { from: 4, to: 5 }]);

    // Whoever cuts off the head that the ledger keeps too is found by one kept elsewhere.
    let fourth = fresh.entries().await[2].head();
    let cut = format!(
        "UPDATE meta SET audit_seq = 3, audit_hash = '{}'",
        fourth.hash
    );
    fresh.run(&cut).await.unwrap();
    assert_eq!(fresh.flaws().await, []);
    let mut chain = Chain::new([kept]);
    for entry in fresh.entries().await {
        assert_eq!(chain.push(&entry), []);
    }
    assert_eq!(chain.finish(), [Flaw::Missing { from: 4, to: 5 }]);
}

async fn a_record_written_anew_is_found_by_a_head_kept_elsewhere(fresh: Fresh) {
    recorded(&fresh).await;
    let kept = fresh.ledger.audit_head().await.unwrap();
    fresh.run("DELETE FROM audit").await.unwrap();
    let head = ebbtide::Head::empty();
    let reset = format!(
        "UPDATE meta SET audit_seq = 0, audit_hash = '{}'",
        head.hash
    );
    fresh.run(&reset).await.unwrap();
    for number in 1..=6 {
        let new = rule(workspace(&format!("w{number}")), "7d");
        fresh
            .ledger
            .create_rule(&new, "mallory".into())
            .await
            .unwrap();
    }
    assert_eq!(fresh.flaws().await, [], "in itself it is sound");
    let mut chain = Chain::new([kept]);
    let mut flaws = Vec::new();
    for entry in fresh.entries().await {
        flaws.extend(chain.push(&entry));
    }
    assert_eq!(flaws, [Flaw::Rewritten { seq: 5 }]);
}

async fn it_holds_no_row_and_no_message_of_a_server(fresh: Fresh) {
    fresh.lease().await;
    fresh.ledger.begin_cycle(&start("c1")).await.unwrap();
    fresh.ledger.intend_step(&intent(1)).await.unwrap();
    let mut end = outcome(1, "failed");
    end.error = Some("cannot parse 'a secret of a row'".into());
    fresh.ledger.finish_step(&end).await.unwrap();
    for entry in fresh.entries().await {
        let text = serde_json::to_string(&entry).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(
            serde_json::from_str::<ebbtide::Entry>(&text).unwrap(),
            entry
        );
    }
}
