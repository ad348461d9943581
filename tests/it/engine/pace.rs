//! Back-pressure on a real server: who is busy is left in peace, others go on, and it is said why.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ebbtide::{
    Clock, CycleStatus, Decision, Embedded, EmbeddedUser, Engine, EngineError, Event, Method,
    PaceConfig, Pacer, Shard, ShardOptions, Signal, StepOutcomeKind,
};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::method::{finite, partitioned};
use super::world::{NOW, World, apply_reviewed, at, plan, propose, run};
use crate::support::embedded_options;

/// Makes a table busy: its merges stop, and somebody else's mutations wait for them.
async fn make_busy(world: &World, table: &str) {
    world.sql(&format!("SYSTEM STOP MERGES {table}")).await;
    for _ in 0..5 {
        let alter =
            format!("ALTER TABLE {table} UPDATE n = n + 1 WHERE 1 SETTINGS mutations_sync = 0");
        world.sql(&alter).await;
    }
}

async fn make_idle(world: &World, table: &str) {
    world.sql(&format!("SYSTEM START MERGES {table}")).await;
    let unfinished = format!(
        "system.mutations WHERE database = '{}' AND NOT is_done",
        world.database.name()
    );
    world.wait_for(&unfinished, 0).await;
}

#[tokio::test]
async fn a_busy_table_is_left_in_peace_others_go_on_and_it_resumes() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    make_busy(&world, "traces").await;
    let engine = world.engine_with(&world.paced("longest_wait: 2s"), NOW);
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed);
    let steps: Vec<_> = report
        .steps
        .iter()
        .map(|step| (&*step.table, step.is_verified(), step.held_by))
        .collect();
    let held = Some(Signal::UnfinishedMutations);
    assert_eq!(steps, [("spans", true, None), ("traces", false, held)]);
    let StepOutcomeKind::Skipped { reason } = &report.steps[1].outcome else {
        panic!("{report:?}");
    };
    assert_eq!(
        reason,
        "the table has 5 unfinished mutations, and pace.backpressure.unfinished_mutations is 5"
    );
    assert_eq!(world.mutations().await, 1, "only that of spans");
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);

    make_idle(&world, "traces").await;
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 31);
}

#[tokio::test]
async fn a_busy_child_keeps_its_parents() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    make_busy(&world, "spans").await;
    let engine = world.engine_with(&world.paced("longest_wait: 1s"), NOW);
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(
        (report.status, report.steps.len()),
        (CycleStatus::Failed, 2)
    );
    assert_eq!(world.mutations().await, 0);
    assert_eq!(world.count("traces").await, 400);
}

#[tokio::test]
async fn a_table_that_is_waited_for_goes_on_by_itself() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    make_busy(&world, "spans").await;
    let (said, mut heard) = mpsc::unbounded_channel();
    let engine = world
        .engine_with(&world.paced("longest_wait: 2m"), NOW)
        .observed_by(move |event| {
            let line = match event {
                Event::HeldBack { table, wait, .. } => {
                    format!("{table} {:?}", wait.map(|wait| wait.signal))
                }
                Event::Throttled { reason, .. } if *reason != "pace" => (*reason).to_owned(),
                _ => return,
            };
            said.send(line).unwrap();
        });
    let mend = async {
        assert_eq!(
            heard.recv().await.unwrap(),
            "spans Some(UnfinishedMutations)"
        );
        assert_eq!(heard.recv().await.unwrap(), "unfinished_mutations");
        assert_eq!(world.mutations().await, 0, "nothing was sent meanwhile");
        make_idle(&world, "spans").await;
    };
    let (ran, ()) = tokio::join!(run(&engine), mend);
    let (_, report) = ran.unwrap();
    assert_eq!(
        (report.status, report.n_deleted()),
        (CycleStatus::Done, 2 * 69)
    );
    let mut rest: Vec<String> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
    rest.retain(|line| line != "unfinished_mutations");
    assert_eq!(rest, ["spans None"], "once for each change");
}

#[tokio::test]
async fn a_load_that_cannot_be_read_deletes_nothing_and_names_the_grant() {
    let system = [
        "merge_tree_settings",
        "metrics",
        "mutations",
        "parts",
        "replicas",
        "storage_policies",
    ];
    let mut grants = system
        .map(|table| format!("GRANT SELECT ON system.{table}"))
        .to_vec();
    grants.push("GRANT SELECT ON default.*".into());
    let mut options = embedded_options();
    options.users = vec![EmbeddedUser {
        name: "blind".into(),
        password: String::new(),
        grants,
        profile_xml: String::new(),
        databases_xml: String::new(),
    }];
    let server = Embedded::start(options).unwrap();
    let client = clickhouse::Client::default().with_url(server.url());
    let create = "CREATE TABLE spans (w String, at DateTime) ENGINE = MergeTree ORDER BY w";
    client.query(create).execute().await.unwrap();
    let mut options = ShardOptions::new(server.url());
    options.user = "blind".into();
    let shard = Shard::new(options).unwrap();

    let error = shard.check_grants(&[]).await.unwrap_err().to_string();
    assert!(
        error.contains("GRANT SELECT ON system.disks TO blind"),
        "{error}"
    );

    let Decision::Wait(wait) = Pacer::new(PaceConfig::default())
        .look(&shard, "spans")
        .await
    else {
        panic!("nobody knows whether it is busy");
    };
    assert_eq!(wait.signal, Signal::Unreadable);
    assert!(wait.to_string().contains("system.disks"), "{wait}");
}

#[tokio::test]
async fn an_idle_table_may_go_and_each_limit_holds_it_back() {
    let world = World::new().await;
    let config = world.config();
    let shard = Shard::new(config.shards[0].clone()).unwrap();
    let look = async |pace: &str| {
        let config = world.paced(pace);
        Pacer::new(config.pace).look(&shard, "spans").await
    };
    assert_eq!(look("longest_wait: 1s").await, Decision::Go);
    // The table has one part: whoever delays inserts at one is at the limit.
    world
        .sql("ALTER TABLE spans MODIFY SETTING parts_to_delay_insert = 1")
        .await;
    let over = |decision| match decision {
        Decision::Wait(wait) => Some((wait.signal, wait.value >= 1.0)),
        Decision::Go => None,
    };
    let full = over(look("longest_wait: 1s").await);
    assert_eq!(full, Some((Signal::PartsShare, true)));
    world
        .sql("ALTER TABLE spans RESET SETTING parts_to_delay_insert")
        .await;
    let disk = look("backpressure: {free_disk_share: 0.9999}").await;
    assert!(matches!(disk, Decision::Wait(wait) if wait.signal == Signal::FreeDiskShare));
}

#[tokio::test]
async fn a_server_is_asked_for_its_load_once_a_second_at_most() {
    let world = World::new().await;
    let shard = Shard::new(world.config().shards[0].clone()).unwrap();
    let pacer = Pacer::new(PaceConfig::default());
    let began = Instant::now();
    for _ in 0..100 {
        pacer.look(&shard, "spans").await;
    }
    let most = 1 + began.elapsed().as_secs();
    world.sql("SYSTEM FLUSH LOGS query_log").await;
    let looks = "system.query_log WHERE type = 'QueryFinish' AND query NOT LIKE '%system.query_log%' \
                 AND query LIKE '%''PartMutation''%' AND current_database = currentDatabase()";
    let n_looks = world.count(looks).await;
    assert!((1..=most).contains(&n_looks), "{n_looks} of {most}");
}

/// Every read of spans takes so long from now on.
async fn make_slow(world: &World, seconds: f64) {
    let slow = format!("ALTER TABLE spans ADD COLUMN slow UInt8 DEFAULT sleep({seconds})");
    world.sql(&slow).await;
}

async fn make_fast(world: &World) {
    world.sql("ALTER TABLE spans DROP COLUMN slow").await;
}

#[tokio::test]
async fn a_table_whose_reads_became_slow_waits_until_they_are_fast_again() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    // So the limit is between 300 and 600 ms, however busy this machine is.
    let pace = "longest_wait: 6s, backpressure: {foreground_latency: 2}";
    // What a look found holds for a second: whoever begins later looks anew.
    let run_anew = async || {
        let (_, report) = run(&world.engine_with(&world.paced(pace), NOW))
            .await
            .unwrap();
        report
    };
    let both_go = async || {
        let report = run_anew().await;
        assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
        assert_eq!(report.steps.len(), 2);
    };
    both_go().await;
    world.rule("w2", "30d").await;
    make_slow(&world, 0.7).await;
    let report = run_anew().await;
    assert_eq!(report.status, CycleStatus::Failed);
    let held = Some(Signal::ForegroundLatency);
    assert_eq!(report.steps[0].held_by, held, "{report:#?}");
    assert_eq!(world.count("spans WHERE w = 'w2'").await, 100);
    assert_eq!(world.count("traces WHERE w = 'w2'").await, 100);
    make_fast(&world).await;
    both_go().await;
    assert_eq!(world.count("traces WHERE w = 'w2'").await, 31);
}

#[tokio::test]
async fn the_first_look_knows_a_slow_read_and_the_configuration_what_is_slow() {
    let world = World::new().await;
    let shard = Shard::new(world.config().shards[0].clone()).unwrap();
    make_slow(&world, 0.4).await;
    let look = async |floor: &str| {
        let keys = format!("foreground_latency: 2, foreground_latency_floor: {floor}");
        let config = world.paced(&format!("backpressure: {{{keys}}}"));
        Pacer::new(config.pace).look(&shard, "spans").await
    };
    let Decision::Wait(wait) = look("100ms").await else {
        panic!("nobody knows that reads are usually slow");
    };
    assert_eq!(wait.signal, Signal::ForegroundLatency);
    assert!(
        (wait.limit - 200.0).abs() < 1e-9 && wait.value >= 400.0,
        "{wait}"
    );
    assert_eq!(look("3s").await, Decision::Go);
}

/// Who would take it for 0 would never wait again after the server gave it another name.
#[tokio::test]
async fn what_the_server_does_not_know_by_its_name_is_no_number() {
    let world = World::new().await;
    let sql = include_str!("../../../sql/clickhouse/load.sql");
    for (name, other, column) in [
        ("'PartMutation'", "'Other'", "parts_mutating"),
        (
            "name = 'parts_to_delay_insert'",
            "name = 'other'",
            "delay_at_of_server",
        ),
    ] {
        for (renamed, is_known) in [(sql.to_owned(), true), (sql.replace(name, other), false)] {
            assert_eq!(renamed == sql, is_known, "{name}");
            let of_column = format!("SELECT isNaN({column}) FROM ({renamed})");
            let client = world.database.client();
            let query = client.query_raw(&of_column).param("table", "spans");
            let is_unknown: bool = query.fetch_one().await.unwrap();
            assert_eq!(is_unknown, !is_known, "{column}");
        }
    }
}

/// A clock that a test moves.
struct Moved(Arc<AtomicI64>);

impl Moved {
    fn to(&self, time: &str) {
        self.0.store(at(time).as_second(), Ordering::Relaxed);
    }
}

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }

    fn is_live(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn outside_of_the_window_nothing_is_sent_nor_approved() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let closed = world.paced("window: \"22:00-06:00\"");
    let engine = world.engine_with(&closed, NOW);
    let error = run(&engine).await.unwrap_err();
    let EngineError::Closed { opens_at, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(opens_at, at("2026-11-21T22:00:00Z"));
    let plan = propose(&engine).await;
    let error = apply_reviewed(&engine, &plan).await.unwrap_err();
    assert!(matches!(error, EngineError::Closed { .. }), "{error}");
    assert_eq!(world.ledger.approved_revision().await.unwrap(), None);
    assert_eq!(world.mutations().await, 0);

    let open = world.paced("window: \"09:00-10:01\"");
    let (_, report) = run(&world.engine_with(&open, NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done);
}

#[tokio::test]
async fn a_window_that_closes_ends_the_cycle_after_the_statement() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let seconds = Arc::new(AtomicI64::new(0));
    let (clock, moved) = (Moved(Arc::clone(&seconds)), Moved(seconds));
    clock.to(NOW);
    let config = world.paced("window: \"09:00-10:30\"");
    let engine = Engine::new(&config, world.ledger.clone(), Arc::new(clock)).unwrap();
    let engine = engine.observed_by(move |event| {
        if matches!(event, Event::StepFinished { .. }) {
            moved.to("2026-11-21T10:30:00Z");
        }
    });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Stopped);
    assert_eq!(world.count("spans WHERE w = 'w1'").await, 31);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);
    let (_, report) = run(&world.engine()).await.unwrap();
    assert_eq!((report.status, report.n_deleted()), (CycleStatus::Done, 69));
}

#[tokio::test]
async fn a_mutation_without_progress_is_reported_as_stalled() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    world.sql("SYSTEM STOP MERGES spans").await;
    let ours = "DELETE FROM spans WHERE w = 'w3' AND 'ebbtide:retention:spans:c0ffee-1' != '' \
                SETTINGS lightweight_deletes_sync = 0";
    world.sql(ours).await;
    let old = format!(
        "system.mutations WHERE database = '{}' AND create_time < now() - 1",
        world.database.name()
    );
    world.wait_for(&old, 1).await;
    let heard = |engine: Engine| {
        let stalled = Arc::new(Mutex::new(Vec::new()));
        let said = Arc::clone(&stalled);
        let engine = engine.observed_by(move |event| {
            if let Event::Stalled {
                table, mutations, ..
            } = event
            {
                let mut said = said.lock().unwrap();
                said.extend(mutations.iter().map(|reason| format!("{table}: {reason}")));
            }
        });
        (engine, stalled)
    };
    let patient = world.engine_with(&world.paced("stall_after: 1h"), NOW);
    let (engine, stalled) = heard(patient);
    plan(&engine).await;
    assert_eq!(*stalled.lock().unwrap(), [""; 0]);

    let strict = world.engine_with(&world.paced("stall_after: 1s"), NOW);
    let (engine, stalled) = heard(strict);
    plan(&engine).await;
    let said = stalled.lock().unwrap().concat();
    assert!(
        said.starts_with("spans: no part of the mutation mutation_"),
        "{said}"
    );
    make_idle(&world, "spans").await;
}

/// A drop frees what a full disk lacks; a mutation needs more of it.
#[tokio::test]
async fn a_full_disk_holds_no_drop_back() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    let pace = "longest_wait: 1s, backpressure: {free_disk_share: 0.9999}";
    let engine = world.engine_with(&world.paced(pace), NOW);
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed);
    let steps: Vec<_> = report
        .steps
        .iter()
        .map(|step| (&*step.table, step.is_verified(), step.held_by))
        .collect();
    let held = Some(Signal::FreeDiskShare);
    assert_eq!(steps[..2], [("spans", true, None), ("spans", false, held)]);
    assert_eq!(world.count("spans WHERE at < '2026-10-01'").await, 0);
    assert_eq!(world.mutations().await, 0);
}

#[tokio::test]
async fn a_busy_table_is_not_dropped_from() {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    make_busy(&world, "spans").await;
    let engine = world.engine_with(&world.paced("longest_wait: 1s"), NOW);
    let (planned, report) = run(&engine).await.unwrap();
    assert_eq!(planned.steps[0].method, Method::Partition);
    assert_eq!(report.status, CycleStatus::Failed);
    let held = Some(Signal::UnfinishedMutations);
    assert_eq!(report.steps[0].held_by, held, "{report:#?}");
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 400);
    }
}

#[tokio::test]
async fn counts_and_deletes_are_of_the_workload() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let config = world.paced("workload: nightly");
    let (_, report) = run(&world.engine_with(&config, NOW)).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    world.sql("SYSTEM FLUSH LOGS query_log").await;
    let of_workload = async |what: &str| {
        let found = format!(
            "system.query_log WHERE type = 'QueryFinish' AND current_database = currentDatabase() \
             AND query_kind != 'Explain' AND Settings['workload'] = 'nightly' AND query LIKE '{what}' AND query NOT LIKE '%query_log%'"
        );
        world.count(&found).await
    };
    assert_eq!(of_workload("%AS ebbtide_undatable%").await, 2);
    assert_eq!(of_workload("DELETE FROM%").await, 2);
}
