//! The tables that people look at must say what the hash chain says.

use ebbtide::{HoldRange, NewApproval, NewHold, QuarantineState, Witness};

use super::contract::{intent, outcome, start};
use super::quarantine::moved;
use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    tables_and_chain_agree,
    every_edit_of_a_table_is_found,
    a_ledger_from_before_the_chain_is_not_accused,
);

async fn differences(fresh: &Fresh) -> Vec<String> {
    let mut witness = Witness::default();
    fresh
        .ledger
        .each_entry(0, None, &mut |entry| witness.hear(&entry))
        .await
        .unwrap();
    witness.compare(&*fresh.ledger).await.unwrap()
}

/// Rules that came and went, a hold that is in force and one that was released, an approval, and
/// a cycle that was renewed twice, with a step that was settled later.
async fn lived(fresh: &Fresh) {
    fresh.lease().await;
    let ledger = &fresh.ledger;
    let when = at("2026-11-22T00:00:00Z");
    for retention in ["7d", "8d"] {
        let rule = rule(workspace("w1"), retention);
        ledger.create_rule(&rule, "eva".into()).await.unwrap();
    }
    let other = rule(workspace("w2"), "9d");
    let other = ledger.create_rule(&other, "eva".into()).await.unwrap();
    ledger.deactivate_rule(other.id, "tom", when).await.unwrap();
    for name in ["w3", "w4"] {
        let hold = NewHold {
            scope: workspace(name),
            range: HoldRange::default(),
            reason: "court".into(),
            owner: "ann".into(),
            created_at: when,
        };
        ledger.place_hold(&hold, "eva".into()).await.unwrap();
    }
    ledger.release_hold(1, "ann", when).await.unwrap();
    let approval = NewApproval {
        revision: fresh.revision().await,
        plan_digest: "d".into(),
        at: when,
    };
    ledger.approve(&approval, "ann").await.unwrap();
    let mut cycle = start("c1");
    cycle.revision = fresh.revision().await;
    ledger.begin_cycle(&cycle).await.unwrap();
    for name in ["w5", "w6"] {
        let rule = rule(workspace(name), "7d");
        ledger.create_rule(&rule, "eva".into()).await.unwrap();
        let revision = fresh.revision().await;
        ledger.renew_cycle("c1", revision, name).await.unwrap();
    }
    ledger.intend_step(&intent(1)).await.unwrap();
    ledger.finish_step(&outcome(1, "unknown")).await.unwrap();
    ledger.finish_step(&outcome(1, "verified")).await.unwrap();
    ledger.end_cycle("c1", "done", when).await.unwrap();
    let new = [moved("202608"), moved("202609")];
    ledger.begin_quarantine(&new, "eva").await.unwrap();
    let first = ledger.quarantines(false).await.unwrap().remove(0);
    let kept = first.change(QuarantineState::Kept, when, 1);
    ledger.change_quarantine(&kept, "eva").await.unwrap();
}

async fn tables_and_chain_agree(fresh: Fresh) {
    lived(&fresh).await;
    assert_eq!(differences(&fresh).await, Vec::<String>::new());
}

async fn every_edit_of_a_table_is_found(fresh: Fresh) {
    lived(&fresh).await;
    let edits = [
        (
            "UPDATE steps SET rows_due = rows_due + 1",
            "UPDATE steps SET rows_due = rows_due - 1",
            "step 1 of cycle c1",
        ),
        (
            "UPDATE cycles SET status = 'failed'",
            "UPDATE cycles SET status = 'done'",
            "cycle c1 is not",
        ),
        (
            "UPDATE cycles SET revision = revision - 1",
            "UPDATE cycles SET revision = revision + 1",
            "cycle c1 is not",
        ),
        (
            "UPDATE cycles SET revision = revision - 2",
            "UPDATE cycles SET revision = revision + 2",
            "cycle c1 is not",
        ),
        (
            "UPDATE cycles SET rules_digest = 'w5'",
            "UPDATE cycles SET rules_digest = 'w6'",
            "cycle c1 is not",
        ),
        (
            "UPDATE holds SET released_at = created_at, released_by = 'eva' WHERE id = 2",
            "UPDATE holds SET released_at = NULL, released_by = NULL WHERE id = 2",
            "hold 2 is released, but",
        ),
        (
            "UPDATE holds SET workspace = 'other' WHERE id = 2",
            "UPDATE holds SET workspace = 'w4' WHERE id = 2",
            "hold 2 is not the one",
        ),
        (
            "UPDATE rules SET retention = '1d' WHERE id = 2",
            "UPDATE rules SET retention = '8d' WHERE id = 2",
            "rule 2 is not the one",
        ),
        (
            "UPDATE rules SET deactivated_at = created_at, deactivated_by = 'eva' WHERE id = 2",
            "UPDATE rules SET deactivated_at = NULL, deactivated_by = NULL WHERE id = 2",
            "rule 2 is not active, but",
        ),
        (
            "UPDATE approvals SET revision = revision + 5",
            "UPDATE approvals SET revision = revision - 5",
            "is approved, but",
        ),
        (
            "UPDATE quarantines SET keep_until = began_at WHERE partition_id = '202608'",
            "UPDATE quarantines SET keep_until = KEEP_UNTIL WHERE partition_id = '202608'",
            "the quarantine of partition 202608, step 2 of cycle c1, is not what",
        ),
        (
            "UPDATE quarantines SET state = 'dropped' WHERE partition_id = '202608'",
            "UPDATE quarantines SET state = 'kept' WHERE partition_id = '202608'",
            "the quarantine of partition 202608, step 2 of cycle c1, is not what",
        ),
        (
            "UPDATE steps SET predicate = 'other'",
            "",
            "step 1 of cycle c1",
        ),
        ("DELETE FROM holds WHERE id = 2", "", "hold 2 is gone"),
        (
            "DELETE FROM quarantines WHERE partition_id = '202609'",
            "",
            "the quarantine of partition 202609, step 2 of cycle c1, is gone",
        ),
        ("DELETE FROM rules WHERE id = 2", "", "rule 2 is gone"),
    ];
    let mut n_for_good = 0;
    for (edit, back, expected) in edits {
        fresh.run(edit).await.unwrap();
        let found = differences(&fresh).await;
        assert_eq!(found.len(), n_for_good + 1, "{edit}: {found:?}");
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{edit}: {found:?}"
        );
        if back.is_empty() {
            n_for_good += 1;
        } else {
            let until = format!("'{}'", fresh.instant("2026-11-28T10:00:00.500000Z"));
            let back = back.replace("KEEP_UNTIL", &until);
            fresh.run(&back).await.unwrap();
        }
    }
}

async fn a_ledger_from_before_the_chain_is_not_accused(fresh: Fresh) {
    lived(&fresh).await;
    let unknown = Witness::default();
    assert_eq!(
        unknown.compare(&*fresh.ledger).await.unwrap(),
        ["revision 7 is approved, but the record names nobody who approved it"]
    );
}
