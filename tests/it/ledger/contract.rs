//! Rules, directory, cycles and steps: what goes in comes out, and the revision tells of it.

use ebbtide::{
    CreatedRule, CycleRecord, CycleStart, Deactivation, Intended, LedgerError, N_PLACES, NewRule,
    Scope, SlotRange, StepIntent, StepOutcome, StepRecord,
};

use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    creating_replaces_the_active_rule,
    deactivating_keeps_the_row,
    the_database_refuses_a_second_active_rule,
    the_revision_rises_exactly_on_changes,
    workspaces_are_added_and_moved,
    a_cycle_and_its_steps_round_trip,
    a_step_is_only_intended_while_the_rules_are_those_of_its_cycle,
    a_cycle_goes_on_under_the_revision_that_holds,
    a_crash_leaves_an_intent_without_outcome,
    instants_that_no_column_holds_are_refused,
);

async fn creating_replaces_the_active_rule(fresh: Fresh) {
    let first = rule(workspace("w1"), "7d");
    let mut second = rule(workspace("w1"), "unlimited");
    second.apply_to_past = false;
    second.created_at = at("2026-11-22T00:00:00.000001Z");
    let a = fresh
        .ledger
        .create_rule(&first, "eva".into())
        .await
        .unwrap();
    let other = fresh
        .ledger
        .create_rule(&rule(workspace("w2"), "7d"), "eva".into())
        .await
        .unwrap();
    let b = fresh
        .ledger
        .create_rule(&second, "tom".into())
        .await
        .unwrap();
    assert_eq!((a.replaced, other.replaced), (None, None));
    assert_eq!(
        b,
        CreatedRule {
            id: b.id,
            replaced: Some(a.id),
            is_repeated: false,
        }
    );
    assert!(b.id > other.id && other.id > a.id);

    let active = fresh.rules(false).await;
    assert_eq!(
        active.iter().map(|rule| rule.id).collect::<Vec<_>>(),
        [other.id, b.id]
    );
    assert_eq!(
        (&active[1].rule, active[1].created_by.as_str()),
        (&second, "tom")
    );
    let history = fresh.rules(true).await;
    assert_eq!(history.len(), 3);
    assert_eq!(history[0].rule, first);
    assert_eq!(
        history[0].deactivated,
        Some((second.created_at, "tom".into()))
    );
    assert_eq!(history[2].deactivated, None);
}

async fn deactivating_keeps_the_row(fresh: Fresh) {
    let when = at("2026-11-23T01:02:03.999999Z");
    let id = fresh
        .ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap()
        .id;
    let again = at("2026-11-24T00:00:00Z");
    let deactivate = |id, by, at| fresh.ledger.deactivate_rule(id, by, at);
    assert_eq!(
        deactivate(id + 1, "tom", when).await.unwrap(),
        Deactivation::NotFound
    );
    assert_eq!(
        deactivate(id, "tom", when).await.unwrap(),
        Deactivation::Done
    );
    assert_eq!(
        deactivate(id, "ann", again).await.unwrap(),
        Deactivation::AlreadyInactive
    );
    assert_eq!(fresh.rules(false).await, []);
    assert_eq!(
        fresh.rules(true).await[0].deactivated,
        Some((when, "tom".into()))
    );

    let next = fresh
        .ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap();
    assert!(next.id > id, "a number is never used again");
    assert_eq!(next.replaced, None);
}

async fn the_database_refuses_a_second_active_rule(fresh: Fresh) {
    fresh
        .ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap();
    let copy = "INSERT INTO rules (scope_kind, workspace, scope_key, retention, apply_to_past, \
                created_at, created_by) SELECT scope_kind, workspace, scope_key, retention, \
                apply_to_past, created_at, created_by FROM rules";
    let refusal = fresh.run(copy).await.unwrap_err();
    assert!(
        refusal.contains("UNIQUE") || refusal.contains("Duplicate"),
        "{refusal}"
    );
    let revive = "UPDATE rules SET deactivated_at = NULL, deactivated_by = NULL";
    fresh
        .ledger
        .create_rule(&rule(workspace("w1"), "8d"), "eva".into())
        .await
        .unwrap();
    let refusal = fresh.run(revive).await.unwrap_err();
    assert!(
        refusal.contains("UNIQUE") || refusal.contains("Duplicate"),
        "{refusal}"
    );
    assert_eq!(fresh.rules(false).await.len(), 1);
}

async fn the_revision_rises_exactly_on_changes(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let mut last = fresh.revision().await;
    let mut rose = async |what: &str, expected: bool| {
        let now = fresh.revision().await;
        assert_eq!(now > last, expected, "{what}: {last} to {now}");
        last = now;
    };
    let created = ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap();
    rose("a creation", true).await;
    ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap();
    rose("a replacement", true).await;
    let when = at("2026-11-23T00:00:00Z");
    ledger
        .deactivate_rule(created.id, "eva", when)
        .await
        .unwrap();
    rose("deactivating what is inactive", false).await;
    ledger
        .deactivate_rule(created.id + 1, "eva", when)
        .await
        .unwrap();
    rose("a deactivation", true).await;
    fresh.rules(true).await;
    rose("reading", false).await;
    let pair = |organization: &str| [Ok(("w1".into(), organization.into()))].into_iter();
    ledger
        .put_workspaces(&mut pair("acme"), "eva")
        .await
        .unwrap();
    rose("a new workspace", true).await;
    ledger
        .put_workspaces(&mut pair("acme"), "eva")
        .await
        .unwrap();
    rose("the same workspace", false).await;
    ledger
        .put_workspaces(&mut pair("beta"), "eva")
        .await
        .unwrap();
    rose("a moved workspace", true).await;
    ledger.begin_cycle(&start("c1")).await.unwrap();
    ledger.end_cycle("c1", "done", when).await.unwrap();
    rose("a cycle", false).await;
}

async fn workspaces_are_added_and_moved(fresh: Fresh) {
    let put = async |pairs: &[(&str, &str)]| {
        let mut pairs = pairs.iter().map(|(w, o)| Ok(((*w).into(), (*o).into())));
        fresh
            .ledger
            .put_workspaces(&mut pairs, "eva")
            .await
            .unwrap()
    };
    assert_eq!(
        put(&[("w1", "acme"), ("W1", "acme"), ("w1 ", "beta"), ("", "")]).await,
        4
    );
    assert_eq!(
        put(&[
            ("w1", "acme"),
            ("W1", "beta"),
            ("w2", "acme"),
            ("w2", "beta")
        ])
        .await,
        3
    );
    let expected = [
        ("", ""),
        ("W1", "beta"),
        ("w1", "acme"),
        ("w1 ", "beta"),
        ("w2", "beta"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(w, o)| (w.to_string(), o.to_string()))
        .collect();
    assert_eq!(fresh.workspaces().await, expected);

    let broken = [
        Ok(("w9".into(), "acme".into())),
        Err("line 2 has no comma".to_owned()),
    ];
    let error = fresh
        .ledger
        .put_workspaces(&mut broken.into_iter(), "eva")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "nothing was imported: line 2 has no comma"
    );
    assert_eq!(fresh.workspaces().await, expected);
}

pub(super) fn start(id: &str) -> CycleStart {
    CycleStart {
        id: id.into(),
        started_at: at("2026-11-21T10:00:00.5Z"),
        as_of: at("2026-11-21T09:59:59.000001Z"),
        rules_digest: "ab".repeat(32),
        revision: 0,
        kind: "slot".into(),
        plan_digest: "ef".repeat(32),
        slot: None,
        holder: "host-1 💧".into(),
        lease_token: 1,
        asked: None,
    }
}

pub(super) fn intent(step: u32) -> StepIntent {
    StepIntent {
        cycle: "c1".into(),
        step,
        shard: "http://127.0.0.1:8123".into(),
        table: "traces".into(),
        method: "lightweight".into(),
        shape: "in".into(),
        query_id: format!("c1-{step}"),
        statement_digest: "cd".repeat(32),
        n_workspaces: 1_000,
        rows_due: 5_000_000_000,
        n_parts: 7,
        intended_at: at("2026-11-21T10:00:01Z"),
        predicate: "workspace_id IN ('w1') AND id < '…'".into(),
        bounds: r#"[{"rule":3,"cutoff":"2026-11-14T00:00:00Z"}]"#.into(),
    }
}

pub(super) fn outcome(step: u32, verdict: &str) -> StepOutcome {
    StepOutcome {
        cycle: "c1".into(),
        step,
        verdict: verdict.into(),
        rows_left: (verdict == "incomplete").then_some(12),
        error: (verdict == "unknown").then(|| "timed out after 30 s — “maybe”".into()),
        finished_at: at("2026-11-21T10:00:02.000003Z"),
        duration_ms: 1_234,
    }
}

async fn a_cycle_and_its_steps_round_trip(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    let later = CycleStart {
        started_at: at("2026-11-22T00:00:00Z"),
        slot: Some((
            "2026-11-22".into(),
            SlotRange {
                from: 7,
                to: N_PLACES,
            },
        )),
        ..start("c2")
    };
    ledger.begin_cycle(&later).await.unwrap();
    ledger.begin_cycle(&start("c1")).await.unwrap();
    for step in [2, 1, 3] {
        ledger.intend_step(&intent(step)).await.unwrap();
    }
    ledger.finish_step(&outcome(1, "incomplete")).await.unwrap();
    ledger.finish_step(&outcome(2, "unknown")).await.unwrap();
    ledger.finish_step(&outcome(2, "verified")).await.unwrap();
    ledger.finish_step(&outcome(3, "unknown")).await.unwrap();
    let end = at("2026-11-21T11:00:00Z");
    ledger.end_cycle("c1", "failed", end).await.unwrap();

    let steps = ledger.steps("c1").await.unwrap();
    let expected =
        [(1, "incomplete"), (2, "verified"), (3, "unknown")].map(|(step, verdict)| StepRecord {
            intent: intent(step),
            outcome: Some(outcome(step, verdict)),
        });
    assert_eq!(steps, expected);
    assert_eq!(ledger.steps("c2").await.unwrap(), []);
    let first = CycleRecord {
        start: start("c1"),
        end: Some((end, "failed".into())),
    };
    let second = CycleRecord {
        start: later,
        end: None,
    };
    assert_eq!(ledger.cycles(10).await.unwrap(), [second.clone(), first]);
    assert_eq!(ledger.cycles(1).await.unwrap(), [second]);

    for error in [
        ledger.end_cycle("c1", "done", end).await.unwrap_err(),
        ledger.end_cycle("c9", "done", end).await.unwrap_err(),
        ledger.finish_step(&outcome(2, "failed")).await.unwrap_err(),
        ledger.finish_step(&outcome(9, "failed")).await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::NotOpen { .. }), "{error}");
    }
    let error = ledger.intend_step(&intent(1)).await.unwrap_err();
    assert!(!error.is_retryable(), "a step is intended once: {error}");
    let orphan = StepIntent {
        cycle: "c9".into(),
        ..intent(1)
    };
    assert!(
        ledger.intend_step(&orphan).await.is_err(),
        "a step belongs to a cycle"
    );
}

async fn a_step_is_only_intended_while_the_rules_are_those_of_its_cycle(fresh: Fresh) {
    fresh.lease().await;
    fresh.ledger.begin_cycle(&start("c1")).await.unwrap();
    assert_eq!(
        fresh.ledger.intend_step(&intent(1)).await.unwrap(),
        Intended::Recorded
    );
    let rule = NewRule {
        scope: Scope::Workspace("w1".into()),
        retention: "unlimited".into(),
        apply_to_past: true,
        created_at: at("2026-11-21T10:00:00Z"),
    };
    fresh
        .ledger
        .create_rule(&rule, "somebody".into())
        .await
        .unwrap();
    assert_eq!(
        fresh.ledger.intend_step(&intent(2)).await.unwrap(),
        Intended::Stale
    );
    assert_eq!(fresh.ledger.steps("c1").await.unwrap().len(), 1);
}

async fn a_cycle_goes_on_under_the_revision_that_holds(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    let digest = "12".repeat(32);
    let error = ledger.renew_cycle("c1", 0, &digest).await.unwrap_err();
    assert!(matches!(error, LedgerError::NotOpen { .. }), "{error}");
    ledger.begin_cycle(&start("c1")).await.unwrap();
    for (name, revision) in [("w1", 1), ("w2", 2)] {
        let rule = rule(workspace(name), "unlimited");
        ledger.create_rule(&rule, "eva".into()).await.unwrap();
        // Neither one that is over nor one to come.
        for other in [revision - 1, revision + 1] {
            let renewed = ledger.renew_cycle("c1", other, &digest).await;
            assert_eq!(renewed.unwrap(), Intended::Stale);
        }
        let stale = ledger.intend_step(&intent(7)).await.unwrap();
        assert_eq!(stale, Intended::Stale);
        let renewed = ledger.renew_cycle("c1", revision, &digest).await;
        assert_eq!(renewed.unwrap(), Intended::Recorded);
        let step = u32::try_from(revision).unwrap();
        let recorded = ledger.intend_step(&intent(step)).await.unwrap();
        assert_eq!(recorded, Intended::Recorded);
    }
    let cycle = ledger.cycle("c1").await.unwrap().unwrap();
    assert_eq!(
        (cycle.start.revision, cycle.start.rules_digest),
        (2, digest.clone())
    );
    assert_eq!(fresh.revision().await, 2, "a renewal is no change of rules");
    let entries = fresh.entries().await;
    let renewals: Vec<_> = entries
        .iter()
        .filter(|entry| entry.fact.kind == "cycle_renewed")
        .map(|entry| (&*entry.fact.actor, entry.fact.body.to_string()))
        .collect();
    let body = |from, to| {
        let rules_digest = &digest;
        serde_json::json!({"cycle": "c1", "from": from, "to": to, "rules_digest": rules_digest})
            .to_string()
    };
    let holder = start("c1").holder;
    assert_eq!(renewals, [(&*holder, body(0, 1)), (&*holder, body(1, 2))]);
    ledger
        .end_cycle("c1", "done", at("2026-11-21T11:00:00Z"))
        .await
        .unwrap();
    let error = ledger.renew_cycle("c1", 2, &digest).await.unwrap_err();
    assert!(matches!(error, LedgerError::NotOpen { .. }), "{error}");
}

async fn a_crash_leaves_an_intent_without_outcome(fresh: Fresh) {
    fresh.lease().await;
    fresh.ledger.begin_cycle(&start("c1")).await.unwrap();
    fresh.ledger.intend_step(&intent(1)).await.unwrap();
    let Fresh {
        url,
        folder,
        ledger,
        database: _database,
    } = fresh;
    drop(ledger);
    let reopened = Fresh::open(url, folder).await;
    let steps = reopened.ledger.steps("c1").await.unwrap();
    assert_eq!(
        steps,
        [StepRecord {
            intent: intent(1),
            outcome: None
        }]
    );
    assert_eq!(reopened.ledger.cycles(9).await.unwrap()[0].end, None);
}

async fn instants_that_no_column_holds_are_refused(fresh: Fresh) {
    for instant in [
        "-000001-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-30T22:00:00Z",
    ] {
        let mut odd = rule(workspace("w1"), "7d");
        odd.created_at = at(instant);
        let error = fresh
            .ledger
            .create_rule(&odd, "eva".into())
            .await
            .unwrap_err();
        assert!(matches!(error, LedgerError::Instant { .. }), "{error}");
    }
    let mut exact = rule(workspace("w1"), "7d");
    exact.created_at = at("1970-01-01T00:00:00.123456789Z");
    fresh
        .ledger
        .create_rule(&exact, "eva".into())
        .await
        .unwrap();
    let kept = fresh.rules(false).await[0].rule.created_at;
    assert_eq!(kept, at("1970-01-01T00:00:00.123456Z"));
}
