//! Holds, pauses and settings: each change raises the revision and stops what was planned before.

use std::sync::Arc;

use ebbtide::{
    Created, Deactivation, HoldRange, HoldRecord, Intended, LedgerError, NewHold, NewPause,
    PauseRecord, PauseScope, Scope,
};

use super::contract::{intent, start};
use super::{Fresh, at, on_both, workspace};

on_both!(
    holds_are_placed_and_released,
    the_end_of_a_hold_is_rounded_up,
    a_scope_is_paused_at_most_once,
    a_pause_is_ended_by_its_number_and_no_later_one,
    settings_are_noted_where_they_differ,
    whatever_changes_makes_a_planned_step_stale,
);

fn hold(scope: Scope) -> NewHold {
    NewHold {
        scope,
        range: HoldRange::default(),
        reason: "a dispute — see “42”".into(),
        owner: "legal".into(),
        created_at: at("2026-11-21T10:00:00.000001Z"),
    }
}

fn pause(scope: PauseScope) -> NewPause {
    NewPause {
        scope,
        reason: "an incident".into(),
        created_at: at("2026-11-21T10:00:00.000001Z"),
    }
}

async fn holds_are_placed_and_released(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let mut ranged = hold(Scope::Project {
        workspace: "w1".into(),
        project: "p ".into(),
    });
    ranged.range.from = Some(at("2026-01-01T00:00:00Z"));
    ranged.range.until = Some(at("2026-02-01T00:00:00.000001Z"));
    let all = [
        hold(Scope::Organization("acme".into())),
        hold(workspace("W1")),
        ranged,
    ];
    let mut records = Vec::new();
    for hold in all {
        let revision = fresh.revision().await;
        let created = ledger.place_hold(&hold, "eva".into()).await.unwrap();
        assert!(!created.is_repeated && fresh.revision().await > revision);
        records.push(HoldRecord {
            id: created.id,
            hold,
            created_by: "eva".into(),
            released: None,
        });
    }
    assert_eq!(ledger.holds(false).await.unwrap(), records);

    let (id, when) = (records[1].id, at("2026-11-22T00:00:00.5Z"));
    let revision = fresh.revision().await;
    let release = |id| ledger.release_hold(id, "tom", when);
    assert_eq!(release(id).await.unwrap(), Deactivation::Done);
    assert!(fresh.revision().await > revision);
    let revision = fresh.revision().await;
    assert_eq!(release(id).await.unwrap(), Deactivation::AlreadyInactive);
    assert_eq!(release(99).await.unwrap(), Deactivation::NotFound);
    assert_eq!(fresh.revision().await, revision);
    records[1].released = Some((when, "tom".into()));
    assert_eq!(ledger.holds(true).await.unwrap(), records);
    records.remove(1);
    assert_eq!(ledger.holds(false).await.unwrap(), records);
    let kinds = ["hold_placed", "hold_placed", "hold_placed", "hold_released"];
    assert_eq!(fresh.kinds().await, kinds);
}

async fn the_end_of_a_hold_is_rounded_up(fresh: Fresh) {
    let mut ranged = hold(workspace("w1"));
    ranged.range.from = Some(at("2026-01-01T00:00:00.000000999Z"));
    ranged.range.until = Some(at("2026-02-01T00:00:00.000000001Z"));
    fresh
        .ledger
        .place_hold(&ranged, "eva".into())
        .await
        .unwrap();
    let kept = fresh.ledger.holds(false).await.unwrap()[0].hold.range;
    let expected = HoldRange {
        from: Some(at("2026-01-01T00:00:00Z")),
        until: Some(at("2026-02-01T00:00:00.000001Z")),
    };
    assert_eq!(kept, expected, "a hold never keeps less than was asked for");
    ranged.range.from = Some(at("1969-01-01T00:00:00Z"));
    let error = fresh
        .ledger
        .place_hold(&ranged, "eva".into())
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Instant { .. }), "{error}");
    assert_eq!(fresh.kinds().await, ["hold_placed"]);
}

async fn a_scope_is_paused_at_most_once(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let name = |name: &str| -> Arc<str> { name.into() };
    let scopes = [
        PauseScope::Everything,
        PauseScope::Target(name("traces")),
        PauseScope::Workspace(name("traces")),
        PauseScope::Workspace(name("traces ")),
    ];
    let mut records = Vec::new();
    for scope in &scopes {
        let asked = pause(scope.clone());
        let created = ledger.pause(&asked, "eva".into()).await.unwrap();
        assert!(!created.is_repeated);
        records.push(PauseRecord {
            id: created.id,
            pause: asked,
            created_by: "eva".into(),
            ended: None,
        });
    }
    let revision = fresh.revision().await;
    let again = ledger.pause(&pause(scopes[1].clone()), "tom".into()).await;
    let expected = Created {
        id: records[1].id,
        is_repeated: true,
    };
    assert_eq!(again.unwrap(), expected);
    assert_eq!(fresh.revision().await, revision);
    assert_eq!(ledger.pauses(false).await.unwrap(), records);

    let when = at("2026-11-22T00:00:00Z");
    assert!(ledger.resume(&scopes[1], "ann", when).await.unwrap());
    assert!(fresh.revision().await > revision);
    let revision = fresh.revision().await;
    assert!(!ledger.resume(&scopes[1], "ann", when).await.unwrap());
    assert_eq!(fresh.revision().await, revision);
    records[1].ended = Some((when, "ann".into()));
    assert_eq!(ledger.pauses(true).await.unwrap(), records);
    records.remove(1);
    assert_eq!(ledger.pauses(false).await.unwrap(), records);
    let created = ledger.pause(&pause(scopes[1].clone()), "tom".into()).await;
    assert!(!created.unwrap().is_repeated, "it may be paused anew");
    let kinds = ["paused", "paused", "paused", "paused", "resumed", "paused"];
    assert_eq!(fresh.kinds().await, kinds);
}

async fn a_pause_is_ended_by_its_number_and_no_later_one(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let when = at("2026-11-22T00:00:00Z");
    let scope = PauseScope::Target("traces".into());
    let asked = pause(scope.clone());
    let first = ledger.pause(&asked, "eva".into()).await.unwrap().id;
    assert!(ledger.resume(&scope, "eva", when).await.unwrap());
    let second = ledger.pause(&asked, "tom".into()).await.unwrap().id;
    let revision = fresh.revision().await;
    let end = |id| ledger.end_pause(id, "ann", when);
    assert_eq!(end(first).await.unwrap(), Deactivation::AlreadyInactive);
    assert_eq!(end(99).await.unwrap(), Deactivation::NotFound);
    assert_eq!(fresh.revision().await, revision);
    assert_eq!(ledger.pauses(false).await.unwrap()[0].id, second);
    assert_eq!(end(second).await.unwrap(), Deactivation::Done);
    assert!(fresh.revision().await > revision);
    let ended = ledger.pauses(true).await.unwrap();
    let by_whom = |record: &PauseRecord| record.ended.clone().unwrap().1;
    assert_eq!(
        ended.iter().map(by_whom).collect::<Vec<_>>(),
        ["eva", "ann"]
    );
    let kinds = ["paused", "resumed", "paused", "resumed"];
    assert_eq!(fresh.kinds().await, kinds);
}

async fn settings_are_noted_where_they_differ(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let when = at("2026-11-21T10:00:00Z");
    assert_eq!(ledger.settings_at(u64::MAX >> 1).await.unwrap(), None);
    let note = |body| ledger.note_settings(body, "eva", when);
    assert!(note("{\"default\":\"7d\"}").await.unwrap());
    let first = fresh.revision().await;
    assert!(!note("{\"default\":\"7d\"}").await.unwrap());
    assert_eq!(fresh.revision().await, first);
    assert!(note("{\"default\":\"8d\"}").await.unwrap());
    let second = fresh.revision().await;
    assert!(first > 0 && second > first);
    let settings = |revision| ledger.settings_at(revision);
    assert_eq!(settings(first - 1).await.unwrap(), None);
    assert_eq!(
        settings(first).await.unwrap().unwrap(),
        "{\"default\":\"7d\"}"
    );
    assert_eq!(
        settings(second + 5).await.unwrap().unwrap(),
        "{\"default\":\"8d\"}"
    );
    assert!(
        note("{\"default\":\"7d\"}").await.unwrap(),
        "back again is a change"
    );
    assert_eq!(fresh.kinds().await, ["settings_noted"; 3]);
}

async fn whatever_changes_makes_a_planned_step_stale(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    let when = at("2026-11-21T10:00:00Z");
    for number in 0..6 {
        let id = format!("c{number}");
        let mut cycle = start(&id);
        cycle.revision = fresh.revision().await;
        ledger.begin_cycle(&cycle).await.unwrap();
        let step = |number| {
            let mut step = intent(number);
            step.cycle.clone_from(&id);
            step
        };
        let intended = ledger.intend_step(&step(1)).await.unwrap();
        assert_eq!(intended, Intended::Recorded);
        match number {
            0 => drop(
                ledger
                    .place_hold(&hold(workspace("w")), "eva".into())
                    .await
                    .unwrap(),
            ),
            1 => drop(ledger.release_hold(1, "eva", when).await.unwrap()),
            2 => drop(
                ledger
                    .pause(&pause(PauseScope::Everything), "eva".into())
                    .await
                    .unwrap(),
            ),
            3 => assert!(
                ledger
                    .resume(&PauseScope::Everything, "eva", when)
                    .await
                    .unwrap()
            ),
            4 => assert!(ledger.note_settings("{}", "eva", when).await.unwrap()),
            _ => {
                let mut pairs = [Ok(("w".into(), "acme".into()))].into_iter();
                ledger.put_workspaces(&mut pairs, "eva").await.unwrap();
            }
        }
        let intended = ledger.intend_step(&step(2)).await.unwrap();
        assert_eq!(intended, Intended::Stale, "change {number}");
        assert_eq!(ledger.steps(&id).await.unwrap().len(), 1);
    }
}
