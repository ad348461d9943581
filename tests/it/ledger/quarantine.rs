//! Partitions in quarantine: each change under the lease, and where it says so under a revision.

use ebbtide::{Intended, LedgerError, NewQuarantine, QuarantineChange, QuarantineState};

use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    what_becomes_of_a_partition_is_recorded_step_by_step,
    it_is_changed_only_under_the_lease_and_the_revision_that_allows_it,
);

/// The lease of [`Fresh::lease`].
const TOKEN: u64 = 1;

pub(super) fn moved(partition: &str) -> NewQuarantine {
    NewQuarantine {
        cycle: "c1".into(),
        step: 2,
        partition: partition.into(),
        shard: "http://host:8123".into(),
        table: "traces 💧".into(),
        kept_in: "_ebbtide_quarantine_c1_2".into(),
        began_at: at("2026-11-21T10:00:00.5Z"),
        keep_until: at("2026-11-28T10:00:00.5Z"),
    }
}

async fn what_becomes_of_a_partition_is_recorded_step_by_step(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    let new = [moved("202608"), moved("202609")];
    ledger.begin_quarantine(&new, "eva").await.unwrap();
    let found = ledger.quarantines(false).await.unwrap();
    let begun: Vec<_> = found.iter().map(|found| found.quarantine.clone()).collect();
    assert_eq!(begun, new);
    assert!(
        found
            .iter()
            .all(|found| found.state == QuarantineState::Moving
                && (found.n_rows, found.n_bytes, &*found.changed_by) == (0, 0, "eva"))
    );
    // A second time it is refused by the key, and all of it.
    let again = [moved("202610"), moved("202608")];
    ledger.begin_quarantine(&again, "eva").await.unwrap_err();

    let when = at("2026-11-22T00:00:00Z");
    let mut kept = found[0].change(QuarantineState::Kept, when, TOKEN);
    (kept.n_rows, kept.n_bytes) = (7, 900);
    let changed = ledger.change_quarantine(&kept, "tom").await.unwrap();
    assert_eq!(changed, Intended::Recorded);
    let found = ledger.quarantines(false).await.unwrap();
    assert_eq!(found.len(), 2);
    let first = &found[0];
    assert_eq!(
        (first.state, first.n_rows, first.n_bytes),
        (QuarantineState::Kept, 7, 900)
    );
    assert_eq!((first.changed_at, &*first.changed_by), (when, "tom"));

    let gone = first.change(QuarantineState::Dropped, at("2026-11-29T00:00:00Z"), TOKEN);
    ledger.change_quarantine(&gone, "tom").await.unwrap();
    assert_eq!(ledger.quarantines(false).await.unwrap().len(), 1);
    assert_eq!(ledger.quarantines(true).await.unwrap()[0].n_rows, 7);
    // What is over stays so.
    let back = first.change(QuarantineState::Undoing, when, TOKEN);
    let error = ledger.change_quarantine(&back, "tom").await.unwrap_err();
    assert!(matches!(error, LedgerError::NotOpen { .. }), "{error}");
    let kinds = [
        "quarantine_begun",
        "quarantine_begun",
        "quarantine_changed",
        "quarantine_changed",
    ];
    assert_eq!(fresh.kinds().await, kinds);
    assert_eq!(fresh.flaws().await, []);
}

async fn it_is_changed_only_under_the_lease_and_the_revision_that_allows_it(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    ledger
        .begin_quarantine(&[moved("202608")], "eva")
        .await
        .unwrap();
    let record = ledger.quarantines(false).await.unwrap().remove(0);
    let when = at("2026-11-29T00:00:00Z");
    let mut change = record.change(QuarantineState::Dropping, when, TOKEN + 1);
    change.revision = Some(fresh.revision().await);
    assert_eq!(changed(&fresh, &change).await, Intended::LeaseLost);
    change.lease_token = TOKEN;
    let new = rule(workspace("w1"), "unlimited");
    ledger.create_rule(&new, "eva".into()).await.unwrap();
    assert_eq!(changed(&fresh, &change).await, Intended::Stale);
    let same = ledger.quarantines(false).await.unwrap();
    assert_eq!(same, [record]);
    change.revision = Some(fresh.revision().await);
    assert_eq!(changed(&fresh, &change).await, Intended::Recorded);
}

async fn changed(fresh: &Fresh, change: &QuarantineChange) -> Intended {
    let changed = fresh.ledger.change_quarantine(change, "tom").await;
    changed.unwrap()
}
