//! Changes of the ledger while a cycle runs: it goes on with what they leave, and with nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use ebbtide::{
    Chain, Config, CycleStatus, Engine, Event, HoldRange, Ledger, NewApproval, NewHold, NewPause,
    NewRule, PauseScope, Scope, Witness, connect_ledger,
};

use super::world::{NOW, World, apply_reviewed, at, plan, propose, run};
use crate::support::{TestMysql, block_on, with_pace};

/// One workspace a statement, as fast as it goes.
pub(super) fn small(yaml: &str) -> String {
    let yaml = yaml.replace(
        "targets:\n",
        "plan: {workspaces_per_statement: 1}\ntargets:\n",
    );
    with_pace(&yaml, "statements_per_minute: 6000")
}

fn small_steps(world: &World) -> Config {
    Config::parse(&small(&world.yaml)).unwrap()
}

fn rule(workspace: &str, retention: &str) -> NewRule {
    NewRule {
        scope: Scope::Workspace(workspace.into()),
        retention: retention.into(),
        apply_to_past: true,
        created_at: at(NOW),
    }
}

/// Adds rules and workspaces that have no rows, one every 20 ms, until it is told to end; returns
/// how many.
async fn busy(ledger: Arc<dyn Ledger>, is_over: Arc<AtomicBool>) -> u64 {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for number in 0.. {
        ticks.tick().await;
        if is_over.load(Ordering::Relaxed) {
            return number;
        }
        let name = format!("other-{number}");
        if number % 2 == 0 {
            let rule = rule(&name, "7d");
            ledger.create_rule(&rule, "busy".into()).await.unwrap();
        } else {
            let mut pairs = std::iter::once(Ok((name.as_str().into(), "acme".into())));
            ledger.put_workspaces(&mut pairs, "busy").await.unwrap();
        }
    }
    0
}

/// What is wrong with the record, and where tables and record differ.
pub(super) async fn flaws(ledger: &dyn Ledger) -> Vec<String> {
    let mut chain = Chain::new([ledger.audit_head().await.unwrap()]);
    let (mut witness, mut flaws) = (Witness::default(), Vec::new());
    let mut visit = |entry| {
        flaws.extend(chain.push(&entry));
        witness.hear(&entry);
    };
    ledger.each_entry(0, None, &mut visit).await.unwrap();
    flaws.extend(chain.finish());
    let mut flaws: Vec<String> = flaws.iter().map(|flaw| format!("{flaw:?}")).collect();
    flaws.extend(witness.compare(ledger).await.unwrap());
    flaws
}

async fn n_renewals(ledger: &dyn Ledger) -> usize {
    let mut n_renewals = 0;
    let mut count = |entry: ebbtide::Entry| {
        n_renewals += usize::from(entry.fact.kind == "cycle_renewed");
    };
    ledger.each_entry(0, None, &mut count).await.unwrap();
    n_renewals
}

async fn a_busy_ledger_holds_nothing_up(world: &World, engine: &Engine) {
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(busy(world.ledger.clone(), Arc::clone(&is_over)));
    let (plan, report) = run(engine).await.unwrap();
    is_over.store(true, Ordering::Relaxed);
    let n_changes = writer.await.unwrap();
    assert_eq!(plan.steps.len(), 8, "{n_changes} changes");
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(report.n_deleted(), 8 * 69);
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 4 * 31, "{n_changes} changes");
    }
    let cycles = world.ledger.cycles(9).await.unwrap();
    assert_eq!(cycles.len(), 1);
    let steps = world.ledger.steps(&report.cycle).await.unwrap();
    let is_verified = |step: &ebbtide::StepRecord| {
        let outcome = step.outcome.as_ref();
        outcome.is_some_and(|outcome| outcome.verdict == "verified")
    };
    assert!(steps.len() == 8 && steps.iter().all(is_verified));
    let n_renewals = n_renewals(&*world.ledger).await;
    assert!(n_renewals >= 4, "{n_renewals} of {n_changes} changes");
    assert!(cycles[0].start.revision > plan.revision);
    assert_eq!(flaws(&*world.ledger).await, Vec::<String>::new());
}

async fn due_everywhere(world: &World) {
    for workspace in ["w0", "w1", "w2", "w3"] {
        world.rule(workspace, "30d").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_never_rests_holds_nothing_up() {
    let world = World::new().await;
    due_everywhere(&world).await;
    let engine = world.engine_with(&small_steps(&world), NOW);
    a_busy_ledger_holds_nothing_up(&world, &engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_in_mysql_that_never_rests_holds_nothing_up() {
    let mut world = World::new().await;
    let database = TestMysql::create().await;
    world.ledger = connect_ledger(database.url(), None).await.unwrap();
    world.ledger.migrate().await.unwrap();
    due_everywhere(&world).await;
    let engine = world.engine_with(&small_steps(&world), NOW);
    a_busy_ledger_holds_nothing_up(&world, &engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_approved_goes_on_while_new_rules_wait() {
    let world = World::new().await;
    due_everywhere(&world).await;
    let small = small(&world.yaml);
    let strict = Config::parse(&small.replace("approval: none, ", "")).unwrap();
    let engine = world.engine_with(&strict, NOW);
    let proposed = propose(&engine).await;
    let approval = NewApproval {
        revision: proposed.revision,
        plan_digest: proposed.digest,
        at: at(NOW),
    };
    world.ledger.approve(&approval, "test").await.unwrap();
    a_busy_ledger_holds_nothing_up(&world, &engine).await;
}

/// What somebody does to a workspace.
type Change = fn(&dyn Ledger, &str);

fn lengthen(ledger: &dyn Ledger, workspace: &str) {
    block_on(ledger.create_rule(&rule(workspace, "unlimited"), "test".into())).unwrap();
}

fn hold(ledger: &dyn Ledger, workspace: &str) {
    let hold = NewHold {
        scope: Scope::Workspace(workspace.into()),
        range: HoldRange::default(),
        reason: "just in time".into(),
        owner: "test".into(),
        created_at: at(NOW),
    };
    block_on(ledger.place_hold(&hold, "test".into())).unwrap();
}

fn begin_pause(ledger: &dyn Ledger, scope: PauseScope) {
    let pause = NewPause {
        scope,
        reason: "just in time".into(),
        created_at: at(NOW),
    };
    block_on(ledger.pause(&pause, "test".into())).unwrap();
}

fn pause(ledger: &dyn Ledger, workspace: &str) {
    begin_pause(ledger, PauseScope::Workspace(workspace.into()));
}

/// An engine that makes a change just after the first statement.
fn changed_by(world: &World, config: &Config, change: impl Fn() + Send + Sync + 'static) -> Engine {
    let is_done = AtomicBool::new(false);
    world.engine_with(config, NOW).observed_by(move |event| {
        if matches!(event, Event::StepFinished { .. }) && !is_done.swap(true, Ordering::Relaxed) {
            change();
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_between_two_statements_leaves_out_only_what_it_concerns() {
    let changes: [Change; 3] = [lengthen, hold, pause];
    for change in changes {
        let world = World::new().await;
        for workspace in ["w1", "w2", "w3"] {
            world.rule(workspace, "30d").await;
        }
        let config = small_steps(&world);
        let steps = plan(&world.engine_with(&config, NOW)).await.steps;
        // Its spans would be next.
        let chosen = steps[1].arms[0].workspace.to_string();
        let (ledger, workspace) = (world.ledger.clone(), chosen.clone());
        let engine = changed_by(&world, &config, move || change(&*ledger, &workspace));
        let (_, report) = run(&engine).await.unwrap();
        assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
        for table in ["spans", "traces"] {
            for workspace in ["w1", "w2", "w3"] {
                let left = if workspace == chosen { 100 } else { 31 };
                let rows = format!("{table} WHERE w = '{workspace}'");
                assert_eq!(world.count(&rows).await, left, "{rows}");
            }
        }
        assert_eq!((report.steps.len(), world.mutations().await), (4, 4));
        // The first cycle did all of it; the second saw that nothing else is due.
        let cycles = world.ledger.cycles(9).await.unwrap();
        let ends: Vec<_> = cycles
            .iter()
            .map(|cycle| &*cycle.end.as_ref().unwrap().1)
            .collect();
        assert_eq!(ends, ["done", "stale"]);
        let steps = world.ledger.steps(&cycles[1].start.id).await.unwrap();
        assert_eq!(steps.len(), 4);
        assert_eq!(flaws(&*world.ledger).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_children_are_paused_meanwhile_their_parents_stay() {
    let world = World::new().await;
    for workspace in ["w1", "w2", "w3"] {
        world.rule(workspace, "30d").await;
    }
    let ledger = world.ledger.clone();
    let engine = changed_by(&world, &small_steps(&world), move || {
        begin_pause(&*ledger, PauseScope::Target("spans".into()));
    });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    // Those of the first statement are gone, and so are their parents.
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 400 - 69);
    }
    let orphans = "spans WHERE (w, at) NOT IN (SELECT w, at FROM traces)";
    assert_eq!(world.count(orphans).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_the_children_cannot_match_keeps_the_parents() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    world.rule("w2", "30d").await;
    // Nothing is due in the children, so no step of theirs would find out.
    world.sql("TRUNCATE TABLE spans").await;
    let steps = "table: spans, workspace: w, project: p";
    let yaml = world.yaml.replace(steps, "table: spans, workspace: w");
    let config = Config::parse(&small(&yaml)).unwrap();
    let steps = plan(&world.engine_with(&config, NOW)).await.steps;
    assert_eq!(steps.len(), 2);
    let chosen = steps[1].arms[0].workspace.to_string();
    let (ledger, workspace) = (world.ledger.clone(), chosen.clone());
    let engine = changed_by(&world, &config, move || {
        let project = NewRule {
            scope: Scope::Project {
                workspace: workspace.as_str().into(),
                project: "p".into(),
            },
            ..rule(&workspace, "unlimited")
        };
        block_on(ledger.create_rule(&project, "test".into())).unwrap();
    });
    run(&engine).await.unwrap();
    let rows = format!("traces WHERE w = '{chosen}'");
    assert_eq!(world.count(&rows).await, 100);
    assert_eq!(world.count("traces").await, 400 - 69);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reviewed_plan_is_not_gone_on_with() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let ledger = world.ledger.clone();
    let engine = changed_by(&world, &small_steps(&world), move || {
        lengthen(&*ledger, "elsewhere");
    });
    let proposed = propose(&engine).await;
    let report = apply_reviewed(&engine, &proposed).await.unwrap();
    assert_eq!(
        (report.status, report.steps.len()),
        (CycleStatus::Stale, 1),
        "{report:#?}"
    );
    assert_eq!(world.count("traces").await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gets_on_is_planned_again_as_often_as_it_takes() {
    let world = World::new().await;
    due_everywhere(&world).await;
    let (ledger, n_days) = (world.ledger.clone(), AtomicU32::new(31));
    let engine = world.engine_with(&small_steps(&world), NOW);
    // After each statement everybody gets another day, so nothing else is as it was planned.
    let engine = engine.observed_by(move |event| {
        if matches!(event, Event::StepFinished { .. }) {
            let retention = format!("{}d", n_days.fetch_add(1, Ordering::Relaxed));
            for workspace in ["w0", "w1", "w2", "w3"] {
                let rule = rule(workspace, &retention);
                block_on(ledger.create_rule(&rule, "test".into())).unwrap();
            }
        }
    });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(report.steps.len(), 8);
    assert_eq!(world.ledger.cycles(99).await.unwrap().len(), 8);
    let left = 4 * 31 + (1 + 2 + 3);
    assert_eq!(world.count("spans").await, left);
    assert_eq!(world.count("traces").await, left + 4 * 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_that_send_nothing_come_to_an_end() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let (ledger, n_days) = (world.ledger.clone(), AtomicU32::new(31));
    let engine = world.engine().observed_by(move |event| {
        if matches!(event, Event::CycleStarted { .. }) {
            let retention = format!("{}d", n_days.fetch_add(1, Ordering::Relaxed));
            let rule = rule("w1", &retention);
            block_on(ledger.create_rule(&rule, "test".into())).unwrap();
        }
    });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Stale, "{report:#?}");
    assert_eq!(world.ledger.cycles(99).await.unwrap().len(), 4);
    assert_eq!(world.mutations().await, 0);
}
