//! What deleted rows hold of the disk, as the ledger remembers it.

use ebbtide::{RemainsNote, StepIntent};

use super::contract::{intent, start};
use super::{Fresh, at, on_both};

on_both!(
    what_is_left_on_disk_takes_the_place_of_what_was_seen_before,
    what_a_rewrite_frees_counts_as_nothing_deleted,
);

async fn what_is_left_on_disk_takes_the_place_of_what_was_seen_before(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let note = |shard: &str, table: &str, when: &str, body: &str| RemainsNote {
        shard: shard.into(),
        table: table.into(),
        at: at(when),
        body: body.into(),
    };
    let (early, noon) = ("2026-11-21T10:00:00.000001Z", "2026-11-21T12:00:00Z");
    let first = [
        note("http://a:1", "spans", early, "[]"),
        note("http://a:1", "traces", early, "[1]"),
        note("http://b:1", "traces", early, "[2]"),
    ];
    let head = ledger.audit_head().await.unwrap();
    for note in &first {
        ledger.note_remains(note).await.unwrap();
    }
    assert_eq!(ledger.remains().await.unwrap(), first);
    let later = note("http://a:1", "traces", noon, "[3]");
    ledger.note_remains(&later).await.unwrap();
    let [spans, _, other] = first;
    assert_eq!(ledger.remains().await.unwrap(), [spans, later, other]);
    assert_eq!(fresh.revision().await, 0);
    assert_eq!(ledger.audit_head().await.unwrap(), head);
}

async fn what_a_rewrite_frees_counts_as_nothing_deleted(fresh: Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    ledger.begin_cycle(&start("c1")).await.unwrap();
    let step = StepIntent {
        method: "reclaim".into(),
        ..intent(1)
    };
    ledger.intend_step(&step).await.unwrap();
    let since = step.intended_at;
    assert_eq!(ledger.deleted_since(since).await.unwrap(), []);
    ledger.intend_step(&intent(2)).await.unwrap();
    let deleted = ledger.deleted_since(since).await.unwrap();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].n_rows, intent(2).rows_due);
}
