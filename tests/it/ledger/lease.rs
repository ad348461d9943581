//! Leases: one holder at a time, a token that grows, and steps that are refused once it has ended.

use std::sync::Arc;
use std::time::Duration;

use ebbtide::{CYCLE_LEASE, CycleStart, Intended, Lease, LeaseAttempt, Ledger, connect_ledger};

use mysql_async::prelude::Queryable;

use super::contract::{intent, start};
use super::{Fresh, chain, on_both};
use crate::support::{block_on, wait_until};

on_both!(
    one_of_ten_at_once_gets_it,
    its_token_grows_with_every_grant,
    a_renewed_lease_lasts,
    a_lease_that_ended_is_taken_over_and_its_steps_are_refused,
    only_its_holder_gives_it_back,
    without_a_lease_no_step_is_intended,
);

const LONG: Duration = Duration::from_mins(10);
const SHORT: Duration = Duration::from_millis(400);

async fn ask(ledger: &dyn Ledger, holder: &str, length: Duration) -> LeaseAttempt {
    let attempt = ledger.acquire_lease(CYCLE_LEASE, holder, length).await;
    attempt.unwrap_or_else(|error| panic!("{}", chain(error)))
}

async fn get(ledger: &dyn Ledger, holder: &str, length: Duration) -> Lease {
    match ask(ledger, holder, length).await {
        LeaseAttempt::Held(lease) => lease,
        LeaseAttempt::Busy(lease) => panic!("{lease:?}"),
    }
}

async fn one_of_ten_at_once_gets_it(fresh: Fresh) {
    let mut askers = Vec::new();
    for number in 0..10 {
        // Each with connections of its own, as if in a process of its own.
        let ledger = connect_ledger(&fresh.url, None).await.unwrap();
        askers.push(tokio::spawn(async move {
            ask(&*ledger, &format!("instance-{number}"), LONG).await
        }));
    }
    let mut granted = Vec::new();
    let mut refused_by = Vec::new();
    for asker in askers {
        match asker.await.unwrap() {
            LeaseAttempt::Held(lease) => granted.push(lease),
            LeaseAttempt::Busy(lease) => refused_by.push(lease),
        }
    }
    let [lease] = &*granted else {
        panic!("{granted:?}")
    };
    assert_eq!(refused_by, vec![lease.clone(); 9]);
    assert_eq!(fresh.ledger.leases().await.unwrap(), granted);
}

async fn its_token_grows_with_every_grant(fresh: Fresh) {
    let ledger = &*fresh.ledger;
    let first = get(ledger, "a", LONG).await;
    let again = get(ledger, "a", LONG).await;
    ledger.release_lease(&again).await.unwrap();
    assert_eq!(ledger.leases().await.unwrap(), []);
    let other = get(ledger, "b", LONG).await;
    assert!(first.token > 0 && again.token > first.token && other.token > again.token);
    let elsewhere = ledger.acquire_lease("another", "c", LONG).await.unwrap();
    assert!(matches!(elsewhere, LeaseAttempt::Held(_)), "{elsewhere:?}");
    assert_eq!(fresh.kinds().await, [""; 0], "nothing was taken over");
}

async fn a_renewed_lease_lasts(fresh: Fresh) {
    let ledger = &*fresh.ledger;
    let lease = get(ledger, "a", Duration::from_secs(20)).await;
    let renewed = ledger.renew_lease(&lease, LONG).await.unwrap().unwrap();
    assert_eq!(renewed.token, lease.token);
    assert!(renewed.expires_at > lease.expires_at);
    assert_eq!(ledger.leases().await.unwrap(), vec![renewed.clone()]);
    let busy = ask(ledger, "b", LONG).await;
    assert_eq!(busy, LeaseAttempt::Busy(renewed));

    // An earlier grant of the same holder is not renewed.
    get(ledger, "a", LONG).await;
    assert_eq!(ledger.renew_lease(&lease, LONG).await.unwrap(), None);
}

fn cycle(id: &str, lease: &Lease) -> CycleStart {
    CycleStart {
        lease_token: lease.token,
        asked: None,
        holder: lease.holder.clone(),
        ..start(id)
    }
}

async fn a_lease_that_ended_is_taken_over_and_its_steps_are_refused(fresh: Fresh) {
    let ledger = Arc::clone(&fresh.ledger);
    // Not renewed, it ends by itself.
    let old = get(&*ledger, "old", SHORT).await;
    ledger.begin_cycle(&cycle("c1", &old)).await.unwrap();
    wait_until("the lease to end", || {
        let leases = async { connect_ledger(&fresh.url, None).await?.leases().await };
        block_on(leases).unwrap().is_empty()
    });
    assert_eq!(
        ledger.intend_step(&intent(1)).await.unwrap(),
        Intended::LeaseLost,
        "also while nobody else has it"
    );
    assert_eq!(ledger.renew_lease(&old, LONG).await.unwrap(), None);

    let new = get(&*ledger, "new", LONG).await;
    assert!(new.token > old.token);
    assert_eq!(
        ledger.intend_step(&intent(1)).await.unwrap(),
        Intended::LeaseLost
    );
    assert_eq!(ledger.steps("c1").await.unwrap(), []);
    ledger.begin_cycle(&cycle("c2", &new)).await.unwrap();
    let mut step = intent(1);
    step.cycle = "c2".into();
    assert_eq!(ledger.intend_step(&step).await.unwrap(), Intended::Recorded);
    let kinds = [
        "cycle_begun",
        "lease_taken_over",
        "cycle_begun",
        "step_intended",
    ];
    assert_eq!(fresh.kinds().await, kinds);
}

async fn only_its_holder_gives_it_back(fresh: Fresh) {
    let ledger = &*fresh.ledger;
    let old = get(ledger, "a", LONG).await;
    let new = get(ledger, "a", LONG).await;
    ledger.release_lease(&old).await.unwrap();
    assert_eq!(ledger.leases().await.unwrap(), vec![new.clone()]);
    ledger.begin_cycle(&cycle("c1", &new)).await.unwrap();
    ledger.release_lease(&new).await.unwrap();
    assert_eq!(
        ledger.intend_step(&intent(1)).await.unwrap(),
        Intended::LeaseLost
    );
}

async fn without_a_lease_no_step_is_intended(fresh: Fresh) {
    let ledger = &*fresh.ledger;
    for token in [0, 1] {
        let cycle = CycleStart {
            lease_token: token,
            ..start(&format!("c{token}"))
        };
        ledger.begin_cycle(&cycle).await.unwrap();
        let mut step = intent(1);
        step.cycle = cycle.id;
        let intended = ledger.intend_step(&step).await.unwrap();
        assert_eq!(intended, Intended::LeaseLost);
        let renewed = ledger.renew_cycle(&step.cycle, 0, "digest").await.unwrap();
        assert_eq!(renewed, Intended::LeaseLost);
    }
}

/// An import may hold the lock on `meta` for longer than a lease lasts.
#[tokio::test]
async fn a_change_under_way_ends_no_lease_on_mysql() {
    let fresh = Fresh::mysql().await;
    let lease = get(&*fresh.ledger, "a", LONG).await;
    let mut other = fresh.database.as_ref().unwrap().connect().await;
    other.query_drop("BEGIN").await.unwrap();
    let lock = "SELECT revision FROM meta WHERE id = 1 FOR UPDATE";
    other.query_drop(lock).await.unwrap();
    let renewal = fresh.ledger.renew_lease(&lease, LONG);
    let renewed = tokio::time::timeout(Duration::from_secs(10), renewal).await;
    assert!(renewed.unwrap().unwrap().is_some());
    let release = fresh.ledger.release_lease(&lease);
    let released = tokio::time::timeout(Duration::from_secs(10), release).await;
    released.unwrap().unwrap();
    other.query_drop("ROLLBACK").await.unwrap();
}
