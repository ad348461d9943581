//! Backfills on real servers: what changes while they run, and what they never do.

use std::sync::atomic::{AtomicBool, Ordering};

use ebbtide::{
    Backfill, Backfilled, Config, CycleKind, CycleReport, CycleStatus, Days, Engine, EngineError,
    Event, Ledger, Method, NewHold, NewPause, NewRule, PauseScope, Plan, PlanRequest, Refusal,
    Scope,
};
use tokio_util::sync::CancellationToken;

use super::change::{flaws, small};
use super::method::{finite, partitioned};
use super::world::{NOW, World, at, plan, propose, tenure};
use crate::support::block_on;

/// One workspace a statement, and nothing was ever approved.
fn strict(world: &World) -> Config {
    let yaml = small(&world.yaml);
    Config::parse(&yaml.replace("approval: none, ", "")).unwrap()
}

fn of(scope: Scope) -> PlanRequest {
    let backfill = Backfill {
        by: "eva".into(),
        scope,
        older_than: Days::new(30).unwrap(),
        targets: Vec::new(),
    };
    PlanRequest::of_backfill(backfill, at(NOW))
}

fn acme() -> PlanRequest {
    of(Scope::Organization("acme".into()))
}

fn w0() -> PlanRequest {
    of(Scope::Workspace("w0".into()))
}

/// All four workspaces are of one organization.
async fn all_of_acme(world: &World) {
    let pairs = ["w0", "w1", "w2", "w3"].map(|name| Ok((name.into(), "acme".into())));
    let mut pairs = pairs.into_iter();
    let put = world.ledger.put_workspaces(&mut pairs, "test").await;
    put.unwrap();
}

async fn backfill(
    engine: &Engine,
    request: &PlanRequest,
) -> Result<(Plan, CycleReport), EngineError> {
    let done = all_cycles(engine, request).await?;
    assert!(done.why.is_none(), "{done:?}");
    Ok((done.plan, done.report))
}

async fn all_cycles(engine: &Engine, request: &PlanRequest) -> Result<Backfilled, EngineError> {
    let tenure = tenure(engine.ledger()).await;
    let never = CancellationToken::new();
    let mut backfilling = engine.backfill(request);
    let mut cycled = Ok(true);
    while let Ok(true) = cycled {
        cycled = backfilling.cycle(&tenure, &never).await;
    }
    tenure.release().await.unwrap();
    cycled.map(|_| backfilling.end().unwrap())
}

/// The rows of each workspace in a table.
async fn left(world: &World, table: &str) -> [u64; 4] {
    let mut left = [0; 4];
    for (number, left) in left.iter_mut().enumerate() {
        *left = world.count(&format!("{table} WHERE w = 'w{number}'")).await;
    }
    left
}

/// An engine in whose first statement's wake something happens once.
fn after_the_first_statement(
    world: &World,
    change: impl Fn(&dyn Ledger) + Send + Sync + 'static,
) -> Engine {
    let (ledger, is_done) = (world.ledger.clone(), AtomicBool::new(false));
    let engine = world.engine_with(&strict(world), NOW);
    engine.observed_by(move |event| {
        if matches!(event, Event::StepFinished { .. }) && !is_done.swap(true, Ordering::Relaxed) {
            change(&*ledger);
        }
    })
}

fn set_rule(ledger: &dyn Ledger, scope: Scope, retention: &str) {
    let rule = NewRule {
        scope,
        retention: retention.into(),
        apply_to_past: true,
        created_at: at(NOW),
    };
    block_on(ledger.create_rule(&rule, "test".into())).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_change_meanwhile_mean_nothing_to_it() {
    let world = World::new().await;
    all_of_acme(&world).await;
    let engine = after_the_first_statement(&world, |ledger| {
        let workspaces = ["w0", "w1", "w2", "w3"].map(|name| Scope::Workspace(name.into()));
        for scope in workspaces {
            set_rule(ledger, scope, "unlimited");
        }
        set_rule(ledger, Scope::Organization("acme".into()), "3d");
    });
    let (plan, report) = backfill(&engine, &acme()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(
        (report.steps.len(), plan.steps.len()),
        (8, 0),
        "the last plan says that nothing is left"
    );
    for table in ["spans", "traces"] {
        assert_eq!(left(&world, table).await, [31; 4]);
    }
    // One cycle, which went on under the new revision, and says who asked for what.
    let cycles = world.ledger.cycles(9).await.unwrap();
    assert_eq!(cycles.len(), 1);
    assert_eq!(cycles[0].start.kind, "backfill");
    let asked = r#"{"by":"eva","organization":"acme","older_than":"30d"}"#;
    assert_eq!(cycles[0].start.asked.as_deref(), Some(asked));
    assert!(cycles[0].start.revision >= 6, "{:?}", cycles[0].start);
    assert_eq!(flaws(&*world.ledger).await, Vec::<String>::new());
    assert_eq!(world.ledger.last_success().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_or_a_pause_that_comes_meanwhile_stops_what_it_concerns() {
    type Change = fn(&dyn Ledger, &str);
    let hold: Change = |ledger, workspace| {
        let hold = NewHold {
            scope: Scope::Workspace(workspace.into()),
            range: ebbtide::HoldRange::default(),
            reason: "case".into(),
            owner: "legal".into(),
            created_at: at(NOW),
        };
        block_on(ledger.place_hold(&hold, "test".into())).unwrap();
    };
    let pause: Change = |ledger, workspace| {
        let pause = NewPause {
            scope: PauseScope::Workspace(workspace.into()),
            reason: "incident".into(),
            created_at: at(NOW),
        };
        block_on(ledger.pause(&pause, "test".into())).unwrap();
    };
    for change in [hold, pause] {
        let world = World::new().await;
        all_of_acme(&world).await;
        let first = world.engine_with(&strict(&world), NOW);
        let steps = first.plan(&acme()).await.unwrap().steps;
        let chosen = steps[1].arms[0].workspace.to_string();
        let of_chosen = chosen.clone();
        let engine = after_the_first_statement(&world, move |ledger| change(ledger, &of_chosen));
        let (plan, report) = backfill(&engine, &acme()).await.unwrap();
        assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
        let expected = ["w0", "w1", "w2", "w3"].map(|name| if name == chosen { 100 } else { 31 });
        for table in ["spans", "traces"] {
            assert_eq!(left(&world, table).await, expected);
        }
        let n_kept: u64 = plan
            .held
            .iter()
            .chain(&plan.paused)
            .map(|rows| rows.n_rows)
            .sum();
        assert_eq!(n_kept, 2 * 69, "{plan:#?}");
        assert_eq!(flaws(&*world.ledger).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_that_leaves_the_organization_meanwhile_is_left_alone() {
    let world = World::new().await;
    all_of_acme(&world).await;
    let first = world.engine_with(&strict(&world), NOW);
    let steps = first.plan(&acme()).await.unwrap().steps;
    let chosen = steps[1].arms[0].workspace.to_string();
    let moved = chosen.clone();
    let engine = after_the_first_statement(&world, move |ledger| {
        let mut pairs = std::iter::once(Ok((moved.as_str().into(), "globex".into())));
        block_on(ledger.put_workspaces(&mut pairs, "test")).unwrap();
    });
    let (_, report) = backfill(&engine, &acme()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let expected = ["w0", "w1", "w2", "w3"].map(|name| if name == chosen { 100 } else { 31 });
    assert_eq!(left(&world, "spans").await, expected);
    assert_eq!(left(&world, "traces").await, expected);
}

/// Rows that come while it works are another cycle's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_cycle_after_cycle_until_nothing_is_due() {
    let world = World::new().await;
    let client = world.database.client();
    let is_done = AtomicBool::new(false);
    let engine = world.engine_with(&strict(&world), NOW);
    let engine = engine.observed_by(move |event| {
        if matches!(event, Event::CycleEnded { .. }) && !is_done.swap(true, Ordering::Relaxed) {
            let late = "INSERT INTO spans SELECT 'w0', 'p', toDateTime('2026-01-01', 'UTC'), \
                        number FROM numbers(7)";
            block_on(client.query(late).execute()).unwrap();
        }
    });
    let (_, report) = backfill(&engine, &w0()).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(report.n_deleted(), 69 + 69 + 7);
    assert_eq!(left(&world, "spans").await, [31, 100, 100, 100]);
    assert_eq!(world.ledger.cycles(9).await.unwrap().len(), 2);
}

/// The first cycle takes what the share of the day allows; then more comes than that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_before_a_refusal_is_said_with_its_reason() {
    let mut world = World::new().await;
    world.yaml = world
        .yaml
        .replace("max_share_of_table: 0.9", "max_share_of_table: 0.4");
    let client = world.database.client();
    let is_done = AtomicBool::new(false);
    let engine = world.engine_with(&strict(&world), NOW);
    let engine = engine.observed_by(move |event| {
        if matches!(event, Event::CycleEnded { .. }) && !is_done.swap(true, Ordering::Relaxed) {
            let late = "INSERT INTO spans SELECT 'w0', 'p', toDateTime('2026-01-01', 'UTC'), \
                        number FROM numbers(400)";
            block_on(client.query(late).execute()).unwrap();
        }
    });
    let done = all_cycles(&engine, &w0()).await.unwrap();
    assert_eq!(done.report.status, CycleStatus::Failed, "{done:#?}");
    assert_eq!(done.report.n_deleted(), 69 + 69);
    assert!(
        matches!(&done.why, Some(EngineError::Refused { .. })),
        "{:?}",
        done.why
    );
    assert_eq!(left(&world, "spans").await, [431, 100, 100, 100]);
}

#[tokio::test]
async fn it_never_drops_a_partition_even_where_all_rows_in_it_are_due() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    for table in ["spans", "traces"] {
        world
            .sql(&format!("DELETE FROM {table} WHERE w != 'w0'"))
            .await;
    }
    let yaml = world.yaml.clone();
    finite(&mut world);
    let is_whole = |plan: &Plan| {
        plan.steps
            .iter()
            .any(|step| step.method == Method::Partition)
    };
    assert!(
        is_whole(&plan(&world.engine()).await),
        "the rules drop some"
    );
    // A default that would drop them means nothing, and none does neither.
    for yaml in [&world.yaml, &yaml] {
        let engine = world.engine_with(&Config::parse(yaml).unwrap(), NOW);
        let made = engine.plan(&w0()).await.unwrap();
        assert!(!is_whole(&made) && made.n_due() == 2 * 69, "{made:#?}");
    }
    let (_, report) = backfill(&world.engine(), &w0()).await.unwrap();
    assert_eq!(
        (report.status, report.n_deleted()),
        (CycleStatus::Done, 2 * 69)
    );
}

#[tokio::test]
async fn a_step_that_nobody_asked_for_is_refused() {
    let world = World::new().await;
    all_of_acme(&world).await;
    let engine = world.engine_with(&strict(&world), NOW);
    let refusal = async |plan: &Plan| {
        let tenure = tenure(engine.ledger()).await;
        let never = CancellationToken::new();
        let applied = engine
            .apply(plan, CycleKind::Backfill, &tenure, &never)
            .await;
        tenure.release().await.unwrap();
        match applied {
            Err(EngineError::Refused { refusals }) => refusals,
            other => panic!("{other:?}"),
        }
    };
    for request in [w0(), acme()] {
        let mut made = engine.plan(&request).await.unwrap();
        let step = &mut made.steps[0];
        let number = step.number;
        step.arms[0].workspace = "w9".into();
        let refusals = refusal(&made).await;
        let is_not_asked = |refusal: &Refusal| matches!(refusal, Refusal::NotAsked { step, .. } if *step == number);
        assert!(
            refusals.len() == 1 && refusals.iter().all(is_not_asked),
            "{refusals:?}"
        );
    }
    assert_eq!(world.mutations().await, 0);
}

/// Its plan shows nothing of the rules, so nobody can approve them by it.
#[tokio::test]
async fn its_plan_is_not_applied_as_a_reviewed_one() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    for config in [strict(&world), world.config()] {
        let engine = world.engine_with(&config, NOW);
        propose(&engine).await;
        let made = engine.plan(&w0()).await.unwrap();
        let Err(EngineError::Stale { changes }) = engine.reviewed(&made).await else {
            panic!("it was taken for one that was reviewed");
        };
        assert!(changes[0].starts_with("the rules: "), "{changes:?}");
    }
}
