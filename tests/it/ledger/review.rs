//! Approvals and kept plans.

use ebbtide::{Approval, LedgerError, NewApproval, NewPlan, PlanApproval, PlanRecord, PlanStatus};

use super::{Fresh, at, on_both, rule, workspace};

on_both!(
    an_approval_is_of_the_present_revision,
    a_kept_plan_is_approved_once_and_only_while_it_is_fresh,
    kept_plans_are_paged_newest_first,
);

async fn an_approval_is_of_the_present_revision(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let approval = |revision| NewApproval {
        revision,
        plan_digest: "ab".repeat(32),
        at: at("2026-11-21T10:00:00Z"),
    };
    assert_eq!(ledger.approved_revision().await.unwrap(), None);
    assert_eq!(
        ledger.approve(&approval(0), "eva").await.unwrap(),
        Approval::Done
    );
    assert_eq!(ledger.approved_revision().await.unwrap(), Some(0));
    let new = rule(workspace("w1"), "7d");
    ledger.create_rule(&new, "eva".into()).await.unwrap();
    for revision in [0, 2] {
        let approved = ledger.approve(&approval(revision), "eva").await.unwrap();
        assert_eq!(approved, Approval::Stale { revision: 1 });
    }
    assert_eq!(ledger.approved_revision().await.unwrap(), Some(0));
    assert_eq!(
        ledger.approve(&approval(1), "eva").await.unwrap(),
        Approval::Done
    );
    assert_eq!(ledger.approved_revision().await.unwrap(), Some(1));
    assert_eq!(fresh.revision().await, 1, "an approval changes no meaning");
    assert_eq!(
        fresh.kinds().await,
        ["approved", "rule_created", "approved"]
    );
}

fn plan(id: &str, revision: u64) -> NewPlan {
    NewPlan {
        id: id.into(),
        digest: "cd".repeat(32),
        revision,
        n_due: 5_000_000_000,
        body: format!("{{\"id\":\"{id}\"}}"),
        created_at: at("2026-11-21T10:00:00.000001Z"),
    }
}

fn record(plan: &NewPlan) -> PlanRecord {
    PlanRecord {
        id: plan.id.clone(),
        digest: plan.digest.clone(),
        revision: plan.revision,
        n_due: plan.n_due,
        created_at: plan.created_at,
        created_by: "eva".into(),
        status: PlanStatus::Pending,
        approved: None,
    }
}

async fn a_kept_plan_is_approved_once_and_only_while_it_is_fresh(fresh: Fresh) {
    let ledger = &fresh.ledger;
    let when = at("2026-11-21T11:00:00Z");
    let approve = |id| ledger.approve_plan(id, "tom", when);
    let (first, second, third) = (plan("p1", 0), plan("p2", 0), plan("p3", 7));
    for plan in [&first, &second, &third] {
        let id = ledger.keep_plan(plan, "eva".into()).await.unwrap();
        assert_eq!(id, plan.id);
    }
    let kept = ledger.kept_plan("p1").await.unwrap();
    assert_eq!(kept, Some((record(&first), first.body.clone())));
    assert_eq!(ledger.kept_plan("p9").await.unwrap(), None);

    assert_eq!(approve("p1").await.unwrap(), PlanApproval::Done);
    assert_eq!(approve("p1").await.unwrap(), PlanApproval::Already);
    assert_eq!(approve("p9").await.unwrap(), PlanApproval::NotFound);
    assert_eq!(
        approve("p3").await.unwrap(),
        PlanApproval::Stale { revision: 0 }
    );
    assert_eq!(ledger.approved_revision().await.unwrap(), Some(0));
    let status = async |id| ledger.kept_plan(id).await.unwrap().unwrap().0;
    let approved = PlanRecord {
        status: PlanStatus::Approved,
        approved: Some((when, "tom".into())),
        ..record(&first)
    };
    assert_eq!(status("p1").await, approved);
    assert_eq!(status("p3").await.status, PlanStatus::Stale);

    ledger.mark_plan("p1", PlanStatus::Applied).await.unwrap();
    ledger.mark_plan("p1", PlanStatus::Applied).await.unwrap();
    assert_eq!(status("p1").await.status, PlanStatus::Applied);
    assert_eq!(approve("p1").await.unwrap(), PlanApproval::Already);
    for (id, status) in [("p1", PlanStatus::Stale), ("p9", PlanStatus::Applied)] {
        let error = ledger.mark_plan(id, status).await.unwrap_err();
        assert!(matches!(error, LedgerError::NotOpen { .. }), "{error}");
    }

    let new = rule(workspace("w1"), "7d");
    ledger.create_rule(&new, "eva".into()).await.unwrap();
    assert_eq!(
        approve("p2").await.unwrap(),
        PlanApproval::Stale { revision: 1 }
    );
    assert_eq!(status("p2").await.status, PlanStatus::Stale);
    assert_eq!(ledger.approved_revision().await.unwrap(), Some(0));
    let kinds = [
        "plan_kept",
        "plan_kept",
        "plan_kept",
        "plan_approved",
        "rule_created",
    ];
    assert_eq!(fresh.kinds().await, kinds);
}

async fn kept_plans_are_paged_newest_first(fresh: Fresh) {
    let ledger = &fresh.ledger;
    for number in [3, 1, 5, 2, 4] {
        let plan = plan(&format!("p{number}"), 0);
        ledger.keep_plan(&plan, "eva".into()).await.unwrap();
    }
    let mut before: Option<String> = None;
    let mut pages = Vec::new();
    loop {
        let page = ledger.plans_before(before.as_deref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id.clone());
        pages.push(page.iter().map(|plan| plan.id.clone()).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec!["p5", "p4"], vec!["p3", "p2"], vec!["p1"]]);
}
