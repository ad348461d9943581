//! One workspace with more rows due than go in one step: steps in the order of time.

use std::sync::atomic::{AtomicU32, Ordering};

use ebbtide::{Config, CycleStatus, Event, HoldRange, NewHold, NewRule, Plan, Scope, Step};

use super::world::{NOW, World, at, plan, run};
use crate::support::{block_on, with_pace};
use crate::warehouse::proxy;

/// A rule of 30 days makes 69 rows of a workspace due in each table, one a day.
const N_DUE: u64 = 69;
const LIMIT: u64 = 7;

fn small_steps(world: &World) -> Config {
    let small = world
        .yaml
        .replace("targets:\n", "plan: {rows_per_step: 7}\ntargets:\n");
    Config::parse(&with_pace(&small, "statements_per_minute: 6000")).unwrap()
}

/// The steps of a table in the order in which they go.
fn of<'p>(plan: &'p Plan, table: &'p str) -> impl Iterator<Item = &'p Step> {
    plan.steps.iter().filter(move |step| *step.table == *table)
}

/// The pieces of a workspace in a table follow each other, from the beginning of time up to the
/// cutoff; returns how many there are.
fn assert_in_order(plan: &Plan, table: &str, workspace: &str) -> usize {
    let arms: Vec<_> = of(plan, table)
        .flat_map(|step| &step.arms)
        .filter(|arm| *arm.workspace == *workspace)
        .collect();
    assert_eq!(arms.first().unwrap().bounds.from_ms, None);
    assert_eq!(
        arms.last().unwrap().bounds.below_ms,
        at("2026-10-22T00:00:00Z").as_millisecond()
    );
    for pair in arms.windows(2) {
        assert_eq!(Some(pair[0].bounds.below_ms), pair[1].bounds.from_ms);
        assert!(pair[0].lag_s > pair[1].lag_s);
        assert!(pair[0].ages().newest_ms.unwrap() < pair[1].ages().oldest_ms.unwrap());
    }
    let n_due: u64 = arms.iter().map(|arm| arm.n_due).sum();
    assert_eq!(n_due, N_DUE);
    arms.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_workspace_goes_in_steps_of_the_order_of_time_children_first() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let engine = world.engine_with(&small_steps(&world), NOW);
    let planned = plan(&engine).await;
    for table in ["spans", "traces"] {
        assert_eq!(assert_in_order(&planned, table, "w1"), 10);
    }
    let tables: Vec<&str> = planned.steps.iter().map(|step| &*step.table).collect();
    assert!(tables.is_sorted(), "{tables:?}");
    // Nothing was taken from a table before what is older, nor from parents before all children.
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let steps = world.ledger.steps(&report.cycle).await.unwrap();
    assert_eq!(steps.len(), 20);
    assert!(steps.iter().all(|step| step.intent.rows_due <= LIMIT));
    assert_eq!(report.n_deleted(), 2 * N_DUE);
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 400 - N_DUE);
        let expired = format!("{table} WHERE w = 'w1' AND at < '2026-10-22'");
        assert_eq!(world.count(&expired).await, 0);
    }
    let (again, _) = run(&engine).await.unwrap();
    assert_eq!(again.steps, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workspaces_with_few_rows_do_not_pay_for_a_large_one() {
    let world = World::new().await;
    for workspace in ["w1", "w2", "w3"] {
        world.rule(workspace, "97d").await;
    }
    world.rule("w0", "30d").await;
    let planned = plan(&world.engine_with(&small_steps(&world), NOW)).await;
    assert_eq!(assert_in_order(&planned, "spans", "w0"), 10);
    // The others have two rows each, all in one statement.
    assert_eq!(of(&planned, "spans").count(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_with_too_many_rows_is_cut_finer_and_an_instant_is_not() {
    let world = World::new().await;
    world
        .sql(
            "INSERT INTO spans SELECT 'w1', 'p', \
             toDateTime('2026-09-01 10:00:00', 'UTC') + toIntervalSecond(number * 40), 1000 + number \
             FROM numbers(60)",
        )
        .await;
    world
        .sql(
            "INSERT INTO spans SELECT 'w1', 'p', toDateTime('2026-09-03 03:03:03', 'UTC'), \
             2000 + number FROM numbers(20)",
        )
        .await;
    world.rule("w1", "30d").await;
    let engine = world.engine_with(&small_steps(&world), NOW);
    let planned = plan(&engine).await;
    let large: Vec<&Step> = of(&planned, "spans")
        .filter(|step| step.n_due > LIMIT)
        .collect();
    let [large] = large[..] else {
        panic!("{large:#?}")
    };
    assert_eq!(large.n_due, 20);
    assert!(large.reason.ends_with("; so many rows are of one instant"));
    let n_due: u64 = of(&planned, "spans").map(|step| step.n_due).sum();
    assert_eq!(n_due, N_DUE + 80);
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(report.n_deleted(), 2 * N_DUE + 80);
    assert_eq!(world.count("spans WHERE w = 'w1'").await, 31);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_rows_cannot_be_counted_by_time_the_oldest_go_step_by_step() {
    let mut world = World::new().await;
    world.rule("w1", "30d").await;
    let url = proxy::without(world.database.url(), "ebbtide_from_ms").await;
    world.yaml = world.yaml.replace(world.database.url(), &url);
    let engine = world.engine_with(&small_steps(&world), NOW);
    let mut n_cycles = 0;
    loop {
        let (planned, report) = run(&engine).await.unwrap();
        assert!(planned.steps.iter().all(|step| step.n_due <= LIMIT));
        assert_eq!(report.n_deleted(), planned.n_due(), "{report:#?}");
        let orphans = "spans WHERE (w, at) NOT IN (SELECT w, at FROM traces)";
        assert_eq!(world.count(orphans).await, 0);
        n_cycles += 1;
        if report.status == CycleStatus::Done {
            break;
        }
        assert_eq!(report.status, CycleStatus::Deferred, "{report:#?}");
        assert!(planned.is_uncounted() && report.n_deleted() > 0 && n_cycles < 40);
    }
    assert!(n_cycles >= 69_u32.div_ceil(7), "{n_cycles}");
    for table in ["spans", "traces"] {
        assert_eq!(world.count(&format!("{table} WHERE w = 'w1'")).await, 31);
        assert_eq!(world.count(table).await, 400 - N_DUE);
    }
}

/// Runs a cycle in which something is done after its third statement.
async fn changed(world: &World, change: impl Fn() + Send + Sync + 'static) {
    let n_done = AtomicU32::new(0);
    let engine = world
        .engine_with(&small_steps(world), NOW)
        .observed_by(move |event| {
            let is_step = matches!(event, Event::StepFinished { .. });
            if is_step && n_done.fetch_add(1, Ordering::Relaxed) == 2 {
                change();
            }
        });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_between_two_pieces_keeps_exactly_its_rows() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let ledger = world.ledger.clone();
    changed(&world, move || {
        let hold = NewHold {
            scope: Scope::Workspace("w1".into()),
            range: HoldRange {
                from: Some(at("2026-10-01T00:00:00Z")),
                until: Some(at("2026-10-05T00:00:00Z")),
            },
            reason: "just in time".into(),
            owner: "test".into(),
            created_at: at(NOW),
        };
        block_on(ledger.place_hold(&hold, "test".into())).unwrap();
    })
    .await;
    for table in ["spans", "traces"] {
        let held = format!("{table} WHERE w = 'w1' AND at >= '2026-10-01' AND at < '2026-10-05'");
        assert_eq!(world.count(&held).await, 4);
        assert_eq!(
            world.count(&format!("{table} WHERE w = 'w1'")).await,
            31 + 4
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_retention_between_two_pieces_keeps_what_is_left() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let ledger = world.ledger.clone();
    changed(&world, move || {
        let rule = NewRule {
            scope: Scope::Workspace("w1".into()),
            retention: "60d".into(),
            apply_to_past: true,
            created_at: at(NOW),
        };
        block_on(ledger.create_rule(&rule, "test".into())).unwrap();
    })
    .await;
    for table in ["spans", "traces"] {
        assert_eq!(world.count(&format!("{table} WHERE w = 'w1'")).await, 61);
    }
}
