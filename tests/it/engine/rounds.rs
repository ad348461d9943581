//! A cycle that is planned again and again has one budget, and ends when it is told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ebbtide::{Config, CycleReport, CycleStatus, Engine, Event, Method, NewRule, Scope};
use tokio_util::sync::CancellationToken;

use super::change::small;
use super::method::{finite, partitioned};
use super::world::{NOW, World, at, run, tenure};
use crate::support::{block_on, wait_until};

const NAMES: [&str; 4] = ["w0", "w1", "w2", "w3"];

/// Everybody's rows end after 30 days: a statement of 69 rows for each workspace in each table.
async fn due_everywhere() -> World {
    let world = World::new().await;
    for name in NAMES {
        world.rule(name, "30d").await;
    }
    world
}

fn with_budget(world: &World, budget: &str) -> Config {
    let budget = format!("max_share_of_table: 0.9, budget: {{{budget}}}");
    let yaml = world.yaml.replace("max_share_of_table: 0.9", &budget);
    Config::parse(&small(&yaml)).unwrap()
}

/// After the first statement everybody has another day due: what is left of the plan is another one.
fn with_another_day(
    world: &World,
    config: &Config,
    also: impl Fn(&Event<'_>) + Send + Sync + 'static,
) -> Engine {
    let (ledger, is_done) = (world.ledger.clone(), AtomicBool::new(false));
    world.engine_with(config, NOW).observed_by(move |event| {
        if matches!(event, Event::StepFinished { .. }) && !is_done.swap(true, Ordering::Relaxed) {
            for name in NAMES {
                let rule = NewRule {
                    scope: Scope::Workspace(name.into()),
                    retention: "29d".into(),
                    apply_to_past: true,
                    created_at: at(NOW),
                };
                block_on(ledger.create_rule(&rule, "test".into())).unwrap();
            }
        }
        also(event);
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_is_one_for_all_rounds() {
    for budget in ["statements: 8", "rows: 552"] {
        let world = due_everywhere().await;
        // Enough for the first plan, and for nothing that comes later.
        let config = with_budget(&world, budget);
        let engine = with_another_day(&world, &config, |_| {});
        let (_, report) = run(&engine).await.unwrap();
        assert_eq!(report.status, CycleStatus::Deferred, "{report:#?}");
        assert!(report.n_statements() > 1, "{report:#?}");
        match budget {
            "rows: 552" => assert!(report.n_deleted() <= 552, "{report:#?}"),
            _ => assert!(report.n_statements() <= 8, "{report:#?}"),
        }
    }
}

/// Runs a cycle whose time is over when something happened for the first time, and not before.
async fn in_time_until(is_it: fn(&Event<'_>) -> bool) -> CycleReport {
    const TIME: Duration = Duration::from_secs(8);
    let world = due_everywhere().await;
    let mut config = with_budget(&world, "time: 1h");
    config.limits.budget.time = TIME;
    let began = Instant::now();
    let engine = with_another_day(&world, &config, move |event| {
        if is_it(event) {
            wait_until("the end of its time", || began.elapsed() > TIME + TIME / 4);
        }
    });
    let (_, report) = run(&engine).await.unwrap();
    report
}

fn is_end(event: &Event<'_>) -> bool {
    matches!(event, Event::CycleEnded { .. })
}

fn is_replanning(event: &Event<'_>) -> bool {
    matches!(event, Event::Replanning)
}

/// Each round sends something, however late it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_round_begins_after_its_time_and_none_has_more_than_what_is_left() {
    type IsIt = fn(&Event<'_>) -> bool;
    let moments: [(IsIt, usize); 2] = [(is_end, 1), (is_replanning, 2)];
    for (is_it, n_statements) in moments {
        let report = in_time_until(is_it).await;
        assert_eq!(report.status, CycleStatus::Deferred, "{report:#?}");
        assert_eq!(report.n_statements(), n_statements, "{report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_partitions_that_go_whole_take_nothing_from_it() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    // Less than one drop has, and enough for what is masked.
    let config = with_budget(&world, "rows: 190");
    let (ledger, is_done) = (world.ledger.clone(), AtomicBool::new(false));
    let engine = world.engine_with(&config, NOW).observed_by(move |event| {
        if matches!(event, Event::StepFinished { .. }) && !is_done.swap(true, Ordering::Relaxed) {
            let rule = NewRule {
                scope: Scope::Workspace("w1".into()),
                retention: "31d".into(),
                apply_to_past: true,
                created_at: at(NOW),
            };
            block_on(ledger.create_rule(&rule, "test".into())).unwrap();
        }
    });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.steps[0].method, Method::Partition);
    assert_eq!(report.steps[0].n_due, 192);
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    let n_cycles = world.ledger.cycles(9).await.unwrap().len();
    assert!(n_cycles > 1, "it is planned again");
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 4 * 31 + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_between_two_rounds_it_says_what_the_first_did() {
    let world = due_everywhere().await;
    let stop = CancellationToken::new();
    let told = stop.clone();
    let config = with_budget(&world, "statements: 100");
    let engine = with_another_day(&world, &config, move |event| {
        if matches!(event, Event::Replanning) {
            told.cancel();
        }
    });
    let tenure = tenure(engine.ledger()).await;
    let (_, report) = engine.run(&tenure, &stop).await.unwrap();
    assert_eq!(report.status, CycleStatus::Stopped, "{report:#?}");
    assert_eq!((report.n_statements(), report.n_deleted()), (1, 69));
}
