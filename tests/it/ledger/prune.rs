//! Pruning removes what is old, says so, and leaves a chain that can be verified.

use ebbtide::{CYCLE_LEASE, CycleStart, Flaw, LeaseAttempt, LedgerError, PrunedRecord, RequestKey};
use std::time::Duration;

use super::contract::{intent, outcome, start};
use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    cycles_that_ended_before_go_with_their_steps,
    the_rest_of_the_chain_stays_verifiable,
    an_abandoned_cycle_goes_a_running_one_stays,
    much_that_is_old_goes_in_several_changes,
);

fn pruned(n_cycles: u64, n_entries: u64) -> PrunedRecord {
    PrunedRecord {
        n_cycles,
        n_entries,
    }
}

async fn cycles_that_ended_before_go_with_their_steps(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    let days = ["2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"];
    for (id, ended_at) in ["c1", "c2"].into_iter().zip(days) {
        ledger.begin_cycle(&start(id)).await.unwrap();
        let mut step = intent(1);
        step.cycle = id.into();
        ledger.intend_step(&step).await.unwrap();
        let mut end = outcome(1, "verified");
        end.cycle = id.into();
        ledger.finish_step(&end).await.unwrap();
        ledger.end_cycle(id, "done", at(ended_at)).await.unwrap();
    }
    let now = at("2026-11-21T00:00:00Z");
    let prune = |before: &str| ledger.prune_record(at(before), "ebbtide", now);
    assert_eq!(prune("2026-09-01T00:00:00Z").await.unwrap(), pruned(0, 0));
    assert_eq!(
        fresh.kinds().await.len(),
        8,
        "nothing was done, nothing is told"
    );
    // The entries are of today, by the clock of the database.
    assert_eq!(prune("2026-11-01T00:00:00Z").await.unwrap(), pruned(1, 0));
    assert_eq!(ledger.cycle("c1").await.unwrap(), None);
    assert_eq!(ledger.steps("c1").await.unwrap(), []);
    assert_eq!(ledger.steps("c2").await.unwrap().len(), 1);
    let entries = fresh.entries().await;
    assert_eq!(
        (entries.len(), entries[8].fact.kind.as_str()),
        (9, "record_pruned")
    );
    assert_eq!(entries[8].fact.body["n_cycles"], 1);
    assert_eq!(fresh.flaws().await, []);
}

async fn the_rest_of_the_chain_stays_verifiable(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let create = async |name: &str| {
        let new = rule(workspace(name), "7d");
        ledger.create_rule(&new, "eva".into()).await.unwrap();
    };
    for name in ["a", "b", "c"] {
        create(name).await;
    }
    let third = fresh.entries().await[2].clone();
    while ledger.now().await.unwrap() == third.fact.at {}
    let middle = ledger.now().await.unwrap();
    for name in ["d", "e"] {
        create(name).await;
    }
    let now = ledger.now().await.unwrap();
    assert_eq!(
        ledger.prune_record(middle, "ebbtide", now).await.unwrap(),
        pruned(0, 3)
    );
    let entries = fresh.entries().await;
    let body = &entries[2].fact.body;
    assert_eq!(
        (&body["up_to"], &body["hash"]),
        (&3.into(), &third.hash.into())
    );
    assert_eq!(fresh.flaws().await, []);

    // Whoever removes one more is found, and so is the beginning without the entry that tells of it.
    fresh
        .run("CREATE TABLE copy AS SELECT * FROM audit")
        .await
        .unwrap();
    fresh.run("DELETE FROM audit WHERE seq = 4").await.unwrap();
    assert_eq!(fresh.flaws().await, [Flaw::Missing { from: 1, to: 4 }]);
    fresh.run("DELETE FROM audit").await.unwrap();
    fresh
        .run("INSERT INTO audit SELECT * FROM copy")
        .await
        .unwrap();

    // All of it, and again: the entry that tells of it continues what is gone.
    let far = at("2099-01-01T00:00:00Z");
    for n_entries in [3, 1, 1] {
        let all = ledger.prune_record(far, "ebbtide", now).await.unwrap();
        assert_eq!(all, pruned(0, n_entries));
        assert_eq!(fresh.kinds().await, ["record_pruned"]);
        assert_eq!(fresh.flaws().await, []);
    }
    create("f").await;
    assert_eq!(fresh.flaws().await, []);
    let error = ledger
        .prune_record(at("1969-01-01T00:00:00Z"), "x", now)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Instant { .. }), "{error}");
}

async fn an_abandoned_cycle_goes_a_running_one_stays(fresh: Fresh) {
    let ledger = &fresh.ledger;
    for (id, holder) in [("crashed", "a"), ("running", "a")] {
        let length = Duration::from_mins(10);
        let attempt = ledger
            .acquire_lease(CYCLE_LEASE, holder, length)
            .await
            .unwrap();
        let LeaseAttempt::Held(lease) = attempt else {
            panic!("{attempt:?}")
        };
        let cycle = CycleStart {
            lease_token: lease.token,
            ..start(id)
        };
        ledger.begin_cycle(&cycle).await.unwrap();
    }
    let key = RequestKey {
        key: [1; 32],
        request: [1; 32],
    };
    let by = ebbtide::Author {
        name: "eva",
        request: Some(&key),
    };
    ledger
        .create_rule(&rule(workspace("w"), "7d"), by)
        .await
        .unwrap();
    let (before, now) = (at("2099-01-01T00:00:00Z"), at("2099-02-01T00:00:00Z"));
    let done = ledger.prune_record(before, "ebbtide", now).await.unwrap();
    assert_eq!(done, pruned(1, 3));
    assert_eq!(ledger.cycle("crashed").await.unwrap(), None);
    assert!(ledger.cycle("running").await.unwrap().is_some());
    let again = ledger
        .create_rule(&rule(workspace("w"), "7d"), by)
        .await
        .unwrap();
    assert!(!again.is_repeated, "its key went too");
}

/// Others can change the ledger in between.
async fn much_that_is_old_goes_in_several_changes(fresh: Fresh) {
    let ledger = &fresh.ledger;
    fresh.lease().await;
    ledger.begin_cycle(&start("c0")).await.unwrap();
    let when = at("2026-10-01T00:00:00Z");
    ledger.end_cycle("c0", "done", when).await.unwrap();
    let all: Vec<String> = (1..250).map(|number| format!("('c{number}')")).collect();
    fresh
        .run("CREATE TABLE more (id VARCHAR(64) NOT NULL)")
        .await
        .unwrap();
    fresh
        .run(&format!("INSERT INTO more VALUES {}", all.join(", ")))
        .await
        .unwrap();
    fresh
        .run(
            "INSERT INTO cycles (id, started_at, as_of, rules_digest, revision, kind, plan_digest, \
             holder, lease_token, ended_at, status) SELECT more.id, started_at, as_of, rules_digest, \
             revision, kind, plan_digest, holder, lease_token, ended_at, status \
             FROM cycles JOIN more ON 1 = 1",
        )
        .await
        .unwrap();
    let before = at("2026-11-01T00:00:00Z");
    let done = ledger.prune_record(before, "ebbtide", before).await;
    assert_eq!(done.unwrap(), pruned(250, 0));
    assert_eq!(ledger.cycles(1).await.unwrap(), []);
    let told: Vec<_> = fresh.entries().await;
    let told: Vec<_> = told
        .iter()
        .filter(|entry| entry.fact.kind == "record_pruned")
        .map(|entry| entry.fact.body["n_cycles"].as_u64().unwrap())
        .collect();
    assert_eq!(told, [100, 100, 50]);
    assert_eq!(fresh.flaws().await, []);
}
