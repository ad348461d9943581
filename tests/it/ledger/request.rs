//! A request that comes again creates nothing again.

use ebbtide::{
    Author, HoldRange, LedgerError, NewHold, NewPause, NewPlan, PauseScope, RequestKey,
    connect_ledger,
};

use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    the_same_request_twice_creates_once,
    another_request_under_the_same_key_is_refused,
    two_at_once_create_once,
    a_key_is_forgotten_after_a_day,
);

fn key(key: u8, request: u8) -> RequestKey {
    RequestKey {
        key: [key; 32],
        request: [request; 32],
    }
}

fn by(key: &RequestKey) -> Author<'_> {
    Author {
        name: "eva",
        request: Some(key),
    }
}

async fn the_same_request_twice_creates_once(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let created_at = at("2026-11-21T10:00:00Z");
    let old = ledger
        .create_rule(&rule(workspace("w1"), "7d"), "eva".into())
        .await
        .unwrap();
    let hold = NewHold {
        scope: workspace("w1"),
        range: HoldRange::default(),
        reason: "x".into(),
        owner: "y".into(),
        created_at,
    };
    let pause = NewPause {
        scope: PauseScope::Everything,
        reason: "x".into(),
        created_at,
    };
    let mut n_entries = 1;
    let mut seen = Vec::new();
    for is_second in [false, true] {
        let created = ledger
            .create_rule(&rule(workspace("w1"), "8d"), by(&key(1, 1)))
            .await
            .unwrap();
        assert_eq!(
            (created.replaced, created.is_repeated),
            (Some(old.id), is_second)
        );
        let placed = ledger.place_hold(&hold, by(&key(2, 1))).await.unwrap();
        let paused = ledger.pause(&pause, by(&key(3, 1))).await.unwrap();
        assert_eq!(
            (placed.is_repeated, paused.is_repeated),
            (is_second, is_second)
        );
        let plan = NewPlan {
            id: format!("p{is_second}"),
            digest: "ab".into(),
            revision: 0,
            n_due: 0,
            body: "{}".into(),
            created_at,
        };
        let kept = ledger.keep_plan(&plan, by(&key(4, 1))).await.unwrap();
        seen.push((created.id, placed.id, paused.id, kept));
        n_entries += if is_second { 0 } else { 4 };
        assert_eq!(fresh.kinds().await.len(), n_entries);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(fresh.rules(true).await.len(), 2);
    assert_eq!(ledger.holds(true).await.unwrap().len(), 1);
    assert_eq!(ledger.plans_before(None, 9).await.unwrap().len(), 1);
    // Also when its pause has ended meanwhile: the request was answered once.
    ledger
        .resume(&PauseScope::Everything, "eva", created_at)
        .await
        .unwrap();
    assert!(
        ledger
            .pause(&pause, by(&key(3, 1)))
            .await
            .unwrap()
            .is_repeated
    );
    assert_eq!(ledger.pauses(false).await.unwrap(), []);
}

async fn another_request_under_the_same_key_is_refused(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let create = async |name: &str, key: RequestKey| {
        ledger
            .create_rule(&rule(workspace(name), "7d"), by(&key))
            .await
    };
    create("w1", key(1, 1)).await.unwrap();
    let error = create("w2", key(1, 2)).await.unwrap_err();
    assert!(matches!(error, LedgerError::RequestKeyReused), "{error}");
    assert!(!create("w2", key(2, 2)).await.unwrap().is_repeated);
    assert_eq!(fresh.rules(true).await.len(), 2);
    assert_eq!(fresh.kinds().await, ["rule_created"; 2]);
}

async fn two_at_once_create_once(fresh: Fresh) {
    for round in 0..10 {
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let ledger = connect_ledger(&fresh.url, None).await.unwrap();
            tasks.push(tokio::spawn(async move {
                let rule = rule(workspace(&format!("w{round}")), "7d");
                ledger.create_rule(&rule, by(&key(round, 1))).await.unwrap()
            }));
        }
        let mut created = Vec::new();
        for task in tasks {
            created.push(task.await.unwrap());
        }
        assert_eq!(created[0].id, created[1].id);
        assert!(
            created[0].is_repeated != created[1].is_repeated,
            "{created:?}"
        );
        assert_eq!(fresh.rules(true).await.len(), usize::from(round) + 1);
    }
}

async fn a_key_is_forgotten_after_a_day(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let again = key(1, 1);
    let create = || async {
        ledger
            .create_rule(&rule(workspace("w"), "7d"), by(&again))
            .await
    };
    create().await.unwrap();
    let age = |text: &str| format!("UPDATE request_keys SET made_at = '{text}'");
    let yesterday =
        (ledger.now().await.unwrap() - std::time::Duration::from_secs(86_300)).to_string();
    fresh.run(&age(&fresh.instant(&yesterday))).await.unwrap();
    assert!(create().await.unwrap().is_repeated);
    fresh
        .run(&age(&fresh.instant("2026-01-01T00:00:00.000000Z")))
        .await
        .unwrap();
    assert!(!create().await.unwrap().is_repeated);
    assert!(create().await.unwrap().is_repeated, "it is remembered anew");
}
