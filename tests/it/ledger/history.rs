//! What held when, what was done, and how much of it a page shows.

use std::ops::Range;
use std::time::Duration;

use ebbtide::{CycleStart, DeletedRows, ImportRule, Look, NewRule, RuleId, SlotRange, StepOutcome};

use super::contract::{intent, outcome, start};
use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    the_clock_of_the_database_goes,
    revisions_have_their_time,
    rules_are_those_of_a_revision,
    settings_are_those_of_a_span_of_revisions,
    rules_are_paged,
    cycles_are_paged_newest_first,
    slots_are_done_where_their_cycle_was,
    a_backfill_is_recorded_and_is_no_success_of_the_rules,
    rows_deleted_are_summed_up_by_table,
    costs_of_a_way_that_is_used_rarely_are_not_forgotten,
    the_last_success_is_found_behind_many_failures,
    a_look_takes_the_place_of_what_it_overlaps,
    steps_without_an_outcome_are_those_of_earlier_leases,
    refused_steps_are_those_that_say_so,
);

async fn the_clock_of_the_database_goes(fresh: Fresh) {
    let first = fresh.ledger.now().await.unwrap();
    let limit = first + Duration::from_secs(5);
    loop {
        let now = fresh.ledger.now().await.unwrap();
        assert!(now >= first && now < limit);
        let gone = now.duration_since(first);
        if !gone.is_zero() {
            // Asking takes less than a second: the clock shows more than seconds.
            assert!(gone.as_millis() < 1_000, "{gone}");
            break;
        }
    }
}

async fn revisions_have_their_time(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let began = ledger.now().await.unwrap();
    let revision_at = async |at| ledger.revision_at(at).await.unwrap();
    assert_eq!(revision_at(at("1970-01-01T00:00:00Z")).await, None);
    assert_eq!(revision_at(began).await, Some(0), "since the migration");
    let mut times = Vec::new();
    for number in 1..=3 {
        // The next revision begins at another instant than this one.
        let last = ledger.now().await.unwrap();
        while ledger.now().await.unwrap() == last {}
        let new = rule(workspace("w1"), &format!("{number}d"));
        ledger.create_rule(&new, "eva".into()).await.unwrap();
        times.push((ledger.now().await.unwrap(), number));
    }
    for (time, revision) in times {
        assert_eq!(revision_at(time).await, Some(revision));
    }
    assert_eq!(revision_at(began).await, Some(0));
    let far = at("9999-01-01T00:00:00Z");
    assert_eq!(revision_at(far).await, Some(3));
}

async fn ids_at(fresh: &Fresh, revision: u64) -> Vec<RuleId> {
    let mut ids = Vec::new();
    let mut visit = |rule: ebbtide::RuleRecord| ids.push(rule.id);
    fresh
        .ledger
        .each_rule_at(revision, &mut visit)
        .await
        .unwrap();
    ids
}

async fn rules_are_those_of_a_revision(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let when = at("2026-11-22T00:00:00Z");
    let mut expected = vec![(0, vec![])];
    let create = async |name: &str, retention: &str| {
        let new = rule(workspace(name), retention);
        ledger.create_rule(&new, "eva".into()).await.unwrap().id
    };
    let a = create("a", "7d").await;
    expected.push((fresh.revision().await, vec![a]));
    let b = create("b", "7d").await;
    expected.push((fresh.revision().await, vec![a, b]));
    let replaced = create("a", "8d").await;
    expected.push((fresh.revision().await, vec![b, replaced]));
    ledger.deactivate_rule(b, "eva", when).await.unwrap();
    expected.push((fresh.revision().await, vec![replaced]));
    let line = |name: &str| ImportRule {
        scope: workspace(name),
        retention: "9d".into(),
        apply_to_past: true,
        created_at: None,
    };
    // A scope twice in one file: only the last one ever held.
    let mut lines = ["a", "c", "c"].map(line).into_iter().map(Ok);
    ledger.import_rules(&mut lines, "eva", when).await.unwrap();
    let active: Vec<_> = fresh
        .rules(false)
        .await
        .iter()
        .map(|rule| rule.id)
        .collect();
    assert_eq!(active.len(), 2);
    expected.push((fresh.revision().await, active.clone()));
    let mut pairs = [Ok(("w".into(), "acme".into()))].into_iter();
    ledger.put_workspaces(&mut pairs, "eva").await.unwrap();
    expected.push((fresh.revision().await, active));
    assert_eq!(expected.len(), 7);
    for (revision, ids) in &expected {
        assert_eq!(ids_at(&fresh, *revision).await, *ids, "at {revision}");
    }
    // Over a span: each rule that held at any of its revisions, and when.
    for first in 0..7 {
        for last in first..7 {
            let mut held = Vec::new();
            let mut visit = |(rule, held_at): (ebbtide::RuleRecord, Range<u64>)| {
                held.push((rule.id, held_at));
            };
            let within = ledger.each_rule_within(first, last, &mut visit);
            within.await.unwrap();
            for (revision, ids) in &expected {
                let then = held.iter().filter(|(_, held)| held.contains(revision));
                let then: Vec<RuleId> = then.map(|(id, _)| *id).collect();
                if (first..=last).contains(revision) {
                    assert_eq!(then, *ids, "at {revision} of {first} to {last}");
                }
            }
            for (id, held) in held {
                assert!(
                    (first..=last).any(|revision| held.contains(&revision)),
                    "{id}"
                );
            }
        }
    }
}

async fn settings_are_those_of_a_span_of_revisions(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let when = at("2026-11-22T00:00:00Z");
    ledger
        .create_rule(&rule(workspace("a"), "7d"), "eva".into())
        .await
        .unwrap();
    for body in ["one", "two"] {
        ledger.note_settings(body, "eva", when).await.unwrap();
        ledger
            .create_rule(&rule(workspace("a"), "7d"), "eva".into())
            .await
            .unwrap();
    }
    let (one, two) = ((2, "one".to_owned()), (4, "two".to_owned()));
    let both = vec![one.clone(), two.clone()];
    for (first, last, expected) in [
        (0, 5, vec![]),
        (1, 5, vec![]),
        (2, 2, vec![one.clone()]),
        (2, 3, vec![one]),
        (2, 4, both.clone()),
        (3, 5, both),
        (4, 5, vec![two.clone()]),
        (5, 9, vec![two]),
    ] {
        let settings = ledger.settings_within(first, last).await.unwrap();
        assert_eq!(settings, expected, "{first} to {last}");
    }
}

async fn rules_are_paged(fresh: Fresh) {
    let ledger = &fresh.ledger;
    for number in 0..7 {
        let new = NewRule {
            apply_to_past: false,
            ..rule(workspace(&format!("w{}", number % 4)), "7d")
        };
        ledger.create_rule(&new, "eva".into()).await.unwrap();
    }
    for with_history in [false, true] {
        let (mut rules, mut after) = (Vec::new(), 0);
        loop {
            let page = ledger.rules_after(after, with_history, 2).await.unwrap();
            assert!(page.len() <= 2);
            let Some(last) = page.last() else { break };
            after = last.id;
            rules.extend(page);
        }
        assert_eq!(rules, fresh.rules(with_history).await);
    }
    for rule in fresh.rules(true).await {
        assert_eq!(ledger.rule(rule.id).await.unwrap(), Some(rule));
    }
    assert_eq!(ledger.rule(99).await.unwrap(), None);
}

async fn cycles_are_paged_newest_first(fresh: Fresh) {
    let ledger = &fresh.ledger;
    // Two began at the same instant.
    for (id, second) in [("c1", 1), ("c4", 3), ("c3", 3), ("c2", 2), ("c0", 5)] {
        let cycle = CycleStart {
            started_at: at(&format!("2026-11-21T10:00:0{second}Z")),
            ..start(id)
        };
        ledger.begin_cycle(&cycle).await.unwrap();
    }
    let mut before: Option<String> = None;
    let mut ids = Vec::new();
    loop {
        let page = ledger.cycles_before(before.as_deref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.start.id.clone());
        ids.extend(page.into_iter().map(|cycle| cycle.start.id));
    }
    assert_eq!(ids, ["c0", "c4", "c3", "c2", "c1"]);
    let one = ledger.cycle("c3").await.unwrap().unwrap();
    assert_eq!((one.start.id.as_str(), one.end), ("c3", None));
    assert_eq!(ledger.cycle("c9").await.unwrap(), None);
    assert_eq!(ledger.cycles_before(Some("c9"), 2).await.unwrap(), []);
}

async fn a_backfill_is_recorded_and_is_no_success_of_the_rules(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let asked = r#"{"by":"eva","workspace":"w1","older_than":"60d"}"#;
    let ends = [
        ("c1", "run", "done", None),
        ("c2", "slot", "partial", Some(2)),
        ("c3", "backfill", "done", Some(2)),
        ("c4", "run", "failed", Some(2)),
        ("c5", "slot", "done", Some(5)),
    ];
    for (number, (id, kind, status, last)) in (1..).zip(ends) {
        let cycle = CycleStart {
            kind: kind.into(),
            asked: (kind == "backfill").then(|| asked.to_owned()),
            ..start(id)
        };
        ledger.begin_cycle(&cycle).await.unwrap();
        let hour = |hour: i32| at(&format!("2026-11-21T1{hour}:00:00Z"));
        ledger.end_cycle(id, status, hour(number)).await.unwrap();
        let last = last.map_or_else(|| hour(1), hour);
        assert_eq!(ledger.last_success().await.unwrap(), Some(last), "{id}");
        let read = ledger.cycle(id).await.unwrap().unwrap();
        assert_eq!(read.start, cycle);
    }
    let page = ledger.cycles_before(None, 9).await.unwrap();
    let page = page
        .into_iter()
        .map(|cycle| (cycle.start.id, cycle.start.asked));
    let with_asked: Vec<_> = page.filter(|(_, asked)| asked.is_some()).collect();
    assert_eq!(with_asked, [("c3".to_owned(), Some(asked.to_owned()))]);
}

async fn slots_are_done_where_their_cycle_was(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let range = |from, to| SlotRange { from, to };
    let cycles = [
        ("c1", "2026-11-21", range(100, 200), Some("done")),
        ("c2", "2026-11-21", range(0, 100), Some("done")),
        ("c3", "2026-11-21", range(200, 300), Some("failed")),
        ("c4", "2026-11-21", range(300, 400), None),
        ("c5", "2026-11-20", range(400, 500), Some("done")),
    ];
    for (id, day, range, status) in cycles {
        let cycle = CycleStart {
            slot: Some((day.into(), range)),
            ..start(id)
        };
        ledger.begin_cycle(&cycle).await.unwrap();
        if let Some(status) = status {
            let when = at("2026-11-21T11:00:00Z");
            ledger.end_cycle(id, status, when).await.unwrap();
        }
    }
    ledger.begin_cycle(&start("no slot")).await.unwrap();
    let done = async |day| ledger.slots_done(day).await.unwrap();
    assert_eq!(done("2026-11-21").await, [range(0, 100), range(100, 200)]);
    assert_eq!(done("2026-11-20").await, [range(400, 500)]);
    assert_eq!(done("2026-11-19").await, []);
}

async fn rows_deleted_are_summed_up_by_table(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    ledger.begin_cycle(&start("c1")).await.unwrap();
    let (early, late) = (at("2026-11-20T23:59:59Z"), at("2026-11-21T00:00:00Z"));
    let all = [
        ("spans", 1_000, early, Some(("verified", Some(0)))),
        ("spans", 100, late, Some(("verified", Some(0)))),
        ("spans", 10, late, Some(("incomplete", Some(3)))),
        ("spans", 10, late, Some(("incomplete", Some(30)))),
        ("traces", 1, late, Some(("unknown", None))),
        ("traces", 20, late, None),
        ("traces", 300, late, Some(("failed", None))),
    ];
    for (number, (table, rows_due, intended_at, end)) in (1..).zip(all) {
        let mut step = intent(number);
        step.table = table.into();
        (step.rows_due, step.intended_at) = (rows_due, intended_at);
        ledger.intend_step(&step).await.unwrap();
        if let Some((verdict, rows_left)) = end {
            let mut outcome = outcome(number, verdict);
            outcome.rows_left = rows_left;
            ledger.finish_step(&outcome).await.unwrap();
        }
    }
    let deleted = |table: &str, n_rows| DeletedRows {
        shard: "http://127.0.0.1:8123".into(),
        table: table.into(),
        n_rows,
    };
    let since = async |at| ledger.deleted_since(at).await.unwrap();
    assert_eq!(
        since(late).await,
        [deleted("spans", 107), deleted("traces", 321)]
    );
    assert_eq!(
        since(early).await,
        [deleted("spans", 1_107), deleted("traces", 321)]
    );
    assert_eq!(since(at("2026-11-22T00:00:00Z")).await, []);
    // What deleting costs is learned from what was verified alone.
    let costs = ledger.step_costs(late).await.unwrap();
    let [cost] = &costs[..] else {
        panic!("{costs:?}")
    };
    assert_eq!((&*cost.table, &*cost.method), ("spans", "lightweight"));
    assert_eq!(
        (cost.n_parts, cost.n_rows, cost.duration_ms),
        (7, 100, 1_234)
    );
    assert_eq!(ledger.step_costs(early).await.unwrap().len(), 2);
}

async fn costs_of_a_way_that_is_used_rarely_are_not_forgotten(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    ledger.begin_cycle(&start("c1")).await.unwrap();
    let began = at("2026-11-21T10:00:00Z");
    let rare = [
        ("http://a", "spans", "patch"),
        ("http://a", "traces", "lightweight"),
        ("http://b", "spans", "lightweight"),
    ];
    let often = std::iter::repeat_n(("http://a", "spans", "lightweight"), 103);
    for (number, (shard, table, method)) in (1..).zip(rare.into_iter().chain(often)) {
        let mut step = intent(number);
        (step.shard, step.table, step.method) = (shard.into(), table.into(), method.into());
        (step.rows_due, step.n_parts) = (u64::from(number), 7);
        step.intended_at = began + Duration::from_secs(number.into());
        ledger.intend_step(&step).await.unwrap();
        ledger
            .finish_step(&outcome(number, "verified"))
            .await
            .unwrap();
    }
    let costs = ledger.step_costs(began).await.unwrap();
    let numbers: Vec<u64> = costs.iter().map(|cost| cost.n_rows).collect();
    let newest_first: Vec<u64> = (7..=106).rev().chain((1..=3).rev()).collect();
    assert_eq!(numbers, newest_first, "a hundred of each, the newest first");
    let kinds = costs.iter().rev().take(3);
    let kinds = kinds.map(|cost| (&*cost.shard, &*cost.table, &*cost.method));
    assert_eq!(kinds.collect::<Vec<_>>(), rare);
}

async fn the_last_success_is_found_behind_many_failures(fresh: Fresh) {
    let ledger = &fresh.ledger;
    assert_eq!(ledger.last_success().await.unwrap(), None);
    let ends = [("done", 1), ("partial", 3), ("done", 2)];
    let failures = (4..60).map(|minute| ("failed", minute));
    for (number, (status, minute)) in ends.into_iter().chain(failures).enumerate() {
        let id = format!("c{number}");
        ledger.begin_cycle(&start(&id)).await.unwrap();
        let when = at(&format!("2026-11-21T11:{minute:02}:00.000001Z"));
        ledger.end_cycle(&id, status, when).await.unwrap();
    }
    let last = at("2026-11-21T11:03:00.000001Z");
    assert_eq!(ledger.last_success().await.unwrap(), Some(last));
}

async fn a_look_takes_the_place_of_what_it_overlaps(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let look = |from, to, when: &str| Look {
        range: SlotRange { from, to },
        at: at(when),
        terms: format!("terms of {from}"),
        body: format!("{{\"from\":{from}}}"),
    };
    let (early, noon) = ("2026-11-21T10:00:00.000001Z", "2026-11-21T12:00:00Z");
    let first = [
        look(0, 100, early),
        look(100, 200, early),
        look(200, 1 << 32, early),
    ];
    let head = ledger.audit_head().await.unwrap();
    for look in &first {
        ledger.note_look(look).await.unwrap();
    }
    assert_eq!(ledger.looks().await.unwrap(), first);
    // It only touches the third.
    let wider = look(50, 200, noon);
    ledger.note_look(&wider).await.unwrap();
    assert_eq!(
        ledger.looks().await.unwrap(),
        [wider.clone(), first[2].clone()]
    );
    // What nobody looks at again is not forgotten, however old it is.
    let next = look(0, 10, "2026-12-22T13:00:00Z");
    ledger.note_look(&next).await.unwrap();
    assert_eq!(
        ledger.looks().await.unwrap(),
        [next, wider, first[2].clone()]
    );
    assert_eq!(fresh.revision().await, 0);
    assert_eq!(ledger.audit_head().await.unwrap(), head);
}

async fn steps_without_an_outcome_are_those_of_earlier_leases(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    ledger.begin_cycle(&start("c1")).await.unwrap();
    let times = ["09:00:00Z", "10:00:00Z", "11:00:00Z", "12:00:00Z"];
    for (number, time) in (1..).zip(times) {
        let mut step = intent(number);
        step.intended_at = at(&format!("2026-11-21T{time}"));
        ledger.intend_step(&step).await.unwrap();
    }
    ledger.finish_step(&outcome(3, "failed")).await.unwrap();
    let unsettled = async |token, since: &str| -> Vec<u32> {
        let since = at(&format!("2026-11-21T{since}"));
        let steps = ledger.unsettled_steps(token, since).await.unwrap();
        steps.iter().map(|step| step.intent.step).collect()
    };
    assert_eq!(unsettled(2, "10:00:00Z").await, [2, 4]);
    assert_eq!(unsettled(2, "08:00:00Z").await, [1, 2, 4]);
    assert_eq!(unsettled(2, "12:00:01Z").await, [0_u32; 0]);
    // Their own holder is at work on them.
    assert_eq!(unsettled(1, "08:00:00Z").await, [0_u32; 0]);
    let all = ledger.steps("c1").await.unwrap();
    let since = at("2026-11-21T12:00:00Z");
    assert_eq!(ledger.unsettled_steps(9, since).await.unwrap(), all[3..]);
}

async fn refused_steps_are_those_that_say_so(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    ledger.begin_cycle(&start("c1")).await.unwrap();
    let ends = [
        ("09:00:00Z", "failed", Some("refused: too large")),
        ("10:00:00Z", "failed", Some("refused: 100 % of it")),
        (
            "11:00:00Z",
            "failed",
            Some("not started: it was refused: no"),
        ),
        ("12:00:00Z", "failed", None),
        ("13:00:00Z", "verified", Some("refused: by nobody")),
        ("14:00:00Z", "failed", Some("refused: no grant")),
    ];
    for (number, (time, verdict, error)) in (1..).zip(ends) {
        let mut step = intent(number);
        step.intended_at = at(&format!("2026-11-21T{time}"));
        ledger.intend_step(&step).await.unwrap();
        let outcome = StepOutcome {
            error: error.map(str::to_owned),
            ..outcome(number, verdict)
        };
        ledger.finish_step(&outcome).await.unwrap();
    }
    let mut all = ledger.steps("c1").await.unwrap();
    let refused = async |since: &str| ledger.refused_steps(at(since)).await.unwrap();
    let latest = refused("2026-11-21T10:00:00Z").await;
    assert_eq!(latest, [all.remove(5), all.remove(1)], "the latest first");
    assert_eq!(refused("2026-11-21T09:00:00Z").await.len(), 3);
    assert_eq!(refused("2026-11-21T14:00:00.000001Z").await, []);
}
