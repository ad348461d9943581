//! Whole partitions while the ledger, the data or the targets change: what was proven of them is
//! proven again, or they stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ebbtide::{
    Config, CycleStatus, Embedded, EmbeddedUser, Engine, Event, FixedClock, HoldRange, Ledger,
    Method, NewHold, NewPause, PauseScope, Scope, StepOutcomeKind, Verdict,
};

use super::heavy::Heavy;
use super::method::{finite, partitioned, steps};
use super::proven::settle;
use super::told::{PROOF, finished};
use super::world::{NOW, World, apply_reviewed, at, plan, propose, rule, run};
use crate::support::{PACE, block_on, embedded_options, ledger_of, wait_until};

/// What somebody does just in time.
type Change = fn(&dyn Ledger);

fn set(ledger: &dyn Ledger, workspace: &str, retention: &str) {
    block_on(rule(ledger, Scope::Workspace(workspace.into()), retention));
}

fn keep_for_ever(ledger: &dyn Ledger) {
    set(ledger, "w1", "unlimited");
}

fn hold(ledger: &dyn Ledger) {
    let hold = NewHold {
        scope: Scope::Workspace("w1".into()),
        range: HoldRange::default(),
        reason: "just in time".into(),
        owner: "test".into(),
        created_at: at(NOW),
    };
    block_on(ledger.place_hold(&hold, "test".into())).unwrap();
}

fn pause(ledger: &dyn Ledger) {
    let pause = NewPause {
        scope: PauseScope::Workspace("w1".into()),
        reason: "just in time".into(),
        created_at: at(NOW),
    };
    block_on(ledger.pause(&pause, "test".into())).unwrap();
}

/// Months of spans and traces, and everybody's end after 30 days.
async fn months() -> World {
    let mut world = partitioned("toYYYYMM(at)", "").await;
    finite(&mut world);
    world
}

/// An engine with a change after the guards were asked, just before the intent of a step.
pub(super) fn changed_before(
    step: u32,
    world: &World,
    change: impl Fn() + Send + Sync + 'static,
) -> Engine {
    let is_done = AtomicBool::new(false);
    world.engine().observed_by(move |event| {
        if matches!(event, Event::StepStarted { step: of, .. } if of.number == step)
            && !is_done.swap(true, Ordering::Relaxed)
        {
            change();
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wanted_just_in_time_stays_in_partitions_that_were_to_go() {
    let changes: [Change; 3] = [keep_for_ever, hold, pause];
    // The first step drops months of spans, the third those of traces.
    for (change, step, spans) in changes
        .into_iter()
        .flat_map(|change| [(change, 1, 100), (change, 3, 31)])
    {
        let world = months().await;
        let of_step = &steps(&plan(&world.engine()).await)[usize::try_from(step - 1).unwrap()];
        assert_eq!(of_step.0, Method::Partition);
        let ledger = world.ledger.clone();
        let engine = changed_before(step, &world, move || change(&*ledger));
        let (_, report) = run(&engine).await.unwrap();
        assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
        for (table, of_w1) in [("spans", spans), ("traces", 100)] {
            let rows = format!("{table} WHERE w = 'w1'");
            assert_eq!(world.count(&rows).await, of_w1, "{rows}, before {step}");
            let others = format!("{table} WHERE w != 'w1'");
            assert_eq!(world.count(&others).await, 3 * 31, "{others}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_concerns_nobody_in_them_does_not_stop_them() {
    let world = months().await;
    let ledger = world.ledger.clone();
    let engine = changed_before(1, &world, move || set(&*ledger, "elsewhere", "7d"));
    let (made, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(made.steps[0].method, Method::Partition);
    assert_eq!(world.mutations().await, 2, "drops are none");
    assert_eq!(world.ledger.cycles(9).await.unwrap().len(), 1);
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 4 * 31);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_counted_again_after_waiting_for_the_ledger() {
    let world = months().await;
    let (ledger, client) = (world.ledger.clone(), world.database.client());
    let is_done = AtomicBool::new(false);
    let engine = world.engine().observed_by(move |event| {
        // The count before the intent was made when this is said.
        let Event::Throttled {
            reason: "ledger", ..
        } = event
        else {
            if matches!(event, Event::StepStarted { step, .. } if step.number == 1) {
                set(&*ledger, "elsewhere", "7d");
            }
            return;
        };
        if !is_done.swap(true, Ordering::Relaxed) {
            let late = "INSERT INTO spans VALUES (unhex('ff'), 'p', '2026-09-10 00:00:00', 1)";
            block_on(client.query_raw(late).execute()).unwrap();
        }
    });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
    assert_eq!(world.count("spans").await, 4 * 31 + 1);
    assert_eq!(world.count("traces").await, 4 * 31);
}

#[tokio::test]
async fn a_table_that_was_not_approved_is_not_dropped_from_nor_are_its_parents() {
    let world = months().await;
    let yaml = world.yaml.replace("approval: none, ", "");
    let spans = "- {table: spans, workspace: w, project: p, age: {time: at}}\n";
    assert!(yaml.contains(spans));
    let before = Config::parse(&yaml.replace(spans, "")).unwrap();
    let before = world.engine_with(&before, NOW);
    let report = apply_reviewed(&before, &propose(&before).await).await;
    assert_eq!(report.unwrap().n_deleted(), 4 * 69);
    let late = "INSERT INTO traces SELECT w, p, at, n FROM spans WHERE at < '2026-10-01'";
    world.sql(late).await;

    let now = world.engine_with(&Config::parse(&yaml).unwrap(), NOW);
    let (made, report) = run(&now).await.unwrap();
    assert_eq!((steps(&made), report.n_deleted()), (vec![], 0));
    let waiting = made.waiting.iter().map(|rows| rows.n_rows).sum::<u64>();
    assert_eq!(
        waiting,
        4 * 69 + 192,
        "the spans, and the traces after them"
    );
    assert_eq!(world.count("spans").await, 400);
    // Where only some of the children wait, no partition of the parents goes as a whole.
    world
        .sql("INSERT INTO traces VALUES ('new', 'p', '2026-09-10 00:00:00', 1)")
        .await;
    let (made, report) = run(&now).await.unwrap();
    let of_new = [(Method::Lightweight, "202609".into(), 1)];
    assert_eq!((steps(&made), report.n_deleted()), (of_new.to_vec(), 1));

    let proposed = propose(&now).await;
    assert_eq!(steps(&proposed)[0].0, Method::Partition);
    apply_reviewed(&now, &proposed).await.unwrap();
    assert_eq!(world.count("spans").await, 4 * 31);
    assert_eq!(world.count("traces").await, 4 * 31);
}

/// The share of the table was allowed for what the plan counted, and for little more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_grew_by_more_than_a_tenth_since_the_plan_waits_for_the_next() {
    // The first step drops 192 rows of August and September.
    for (n_late, goes) in [(10, true), (30, false)] {
        let world = months().await;
        let client = world.database.client();
        let engine = changed_before(1, &world, move || {
            let late = format!(
                "INSERT INTO spans SELECT 'w1', 'p', '2026-09-10 00:00:00', number \
                 FROM numbers({n_late})"
            );
            block_on(client.query_raw(&late).execute()).unwrap();
        });
        let (_, report) = run(&engine).await.unwrap();
        let outcome = &report.steps[0].outcome;
        let old = world.count("spans WHERE at < '2026-10-01'").await;
        if goes {
            assert_eq!((report.status, old), (CycleStatus::Done, 0), "{report:#?}");
            continue;
        }
        let StepOutcomeKind::Skipped { reason } = outcome else {
            panic!("{report:#?}");
        };
        let said = "hold 222 rows, and the plan counted 192";
        assert!(reason.contains(said), "{reason}");
        assert_eq!(old, 192 + n_late);
        run(&world.engine()).await.unwrap();
        assert_eq!(world.count("spans").await, 4 * 31);
    }
}

/// Changes a table between the last look at the parts of the first step and its statement: the ledger
/// stands there.
async fn changed_after_the_last_look(world: &World, change: &'static str) -> Engine {
    settle(world).await;
    let file = world.folder.path().join("ledger.db");
    let client = world.database.client();
    world.engine().observed_by(move |event| {
        if !matches!(event, Event::StepStarted { step, .. } if step.number == 1) {
            return;
        }
        // Nobody records an intent until this is over.
        let ledger = rusqlite::Connection::open(&file).unwrap();
        ledger.execute_batch("BEGIN IMMEDIATE").unwrap();
        let before = n_looks(&client);
        let client = client.clone();
        std::thread::spawn(move || {
            wait_until("the last look", || n_looks(&client) > before);
            block_on(client.query_raw(change).execute()).unwrap();
            ledger.execute_batch("ROLLBACK").unwrap();
        });
    })
}

/// How often it was asked how a table is defined: what is known of its parts is compared with that last.
fn n_looks(client: &clickhouse::Client) -> u64 {
    let flush = client.query_raw("SYSTEM FLUSH LOGS query_log");
    block_on(flush.execute()).unwrap();
    let count = "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' \
                 AND current_database = currentDatabase() AND query LIKE '%AS asked_s%' \
                 AND query NOT LIKE '%system.query_log%'";
    block_on(client.query_raw(count).fetch_one()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_between_the_count_and_the_drop_stays() {
    let world = months().await;
    let late = "INSERT INTO spans VALUES (unhex('ff'), 'p', '2026-09-10 00:00:00', 1)";
    let engine = changed_after_the_last_look(&world, late).await;
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed, "{report:#?}");
    let expected = StepOutcomeKind::Applied(Verdict::Incomplete { n_left: 1 });
    assert_eq!(report.steps[0].outcome, expected);
    assert_eq!(world.count("spans WHERE w = unhex('ff')").await, 1);
    assert_eq!(world.count("spans WHERE at < '2026-10-01'").await, 1);
    let parents = world.count("traces WHERE at < '2026-10-01'").await;
    assert_eq!(parents, 192, "children may be left");
    let steps = world.ledger.steps(&report.cycle).await.unwrap();
    let predicate = &steps[0].intent.predicate;
    assert!(predicate.starts_with("DROP PART '2026"), "{predicate}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_another_one_since_it_was_counted_stays_until_the_next_cycle() {
    let world = months().await;
    let merge = "OPTIMIZE TABLE spans PARTITION ID '202609' FINAL";
    let engine = changed_after_the_last_look(&world, merge).await;
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Failed, "{report:#?}");
    let old = world.count("spans WHERE at < '2026-10-01'").await;
    assert!(old >= 120, "{old}");
    let StepOutcomeKind::Failed {
        n_left, recorded, ..
    } = &report.steps[0].outcome
    else {
        panic!("{report:#?}");
    };
    assert_eq!(*n_left, Some(old));
    assert!(recorded.contains("NO_SUCH_DATA_PART"), "{recorded}");
    // That passes by itself: nothing keeps the next cycle from dropping it.
    let (made, report) = run(&world.engine()).await.unwrap();
    assert_eq!(steps(&made)[0].0, Method::Partition);
    assert_eq!(
        (report.status, &*made.by_hand),
        (CycleStatus::Done, &[][..])
    );
    for table in ["spans", "traces"] {
        assert_eq!(world.count(table).await, 4 * 31);
    }
}

#[tokio::test]
async fn a_partition_of_too_many_parts_is_not_dropped() {
    let world = months().await;
    world.sql("SYSTEM STOP MERGES spans").await;
    let many = "INSERT INTO spans SELECT 'w1', 'p', '2026-09-10 00:00:00', number FROM numbers(1001) \
                SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1";
    world.sql(many).await;
    let parts = "system.parts WHERE active AND database = currentDatabase() AND table = 'spans' \
                 AND partition_id = '202609'";
    assert!(world.count(parts).await > 1_000);
    let made = plan(&world.engine()).await;
    let whole = made.steps.iter();
    let whole = whole.filter(|step| &*step.table == "spans" && step.method == Method::Partition);
    let dropped: Vec<&str> = whole
        .flat_map(|step| step.partitions.iter().map(|id| &**id))
        .collect();
    assert_eq!(dropped, ["202608"]);
    let n_due: u64 = made
        .steps
        .iter()
        .filter(|step| &*step.table == "spans")
        .map(|step| step.n_due)
        .sum();
    assert_eq!(n_due, 4 * 69 + 1_001, "its rows are masked");
    assert_eq!(made.by_hand.len(), 1, "{:#?}", made.by_hand);
    let left = &made.by_hand[0];
    assert_eq!(left.partitions, ["202609".into()]);
    let reason = &left.reason;
    assert!(reason.contains("more than 1000 parts"), "{reason}");
}

/// A drop takes what a count does not see.
#[tokio::test]
async fn where_a_row_policy_hides_rows_no_partition_is_dropped() {
    let mut options = embedded_options();
    options.users = ["all", "half"]
        .map(|name| EmbeddedUser {
            name: name.into(),
            password: String::new(),
            grants: vec![],
            profile_xml: String::new(),
            databases_xml: match name {
                "half" => "<default><spans><filter>w != 'x'</filter></spans></default>".into(),
                _ => String::new(),
            },
        })
        .into();
    let server = Embedded::start(options).unwrap();
    let client = clickhouse::Client::default().with_url(server.url());
    for sql in [
        "CREATE TABLE spans (w String, at DateTime('UTC')) ENGINE = MergeTree \
         PARTITION BY toYYYYMM(at) ORDER BY w",
        "INSERT INTO spans SELECT ['w', 'x'][1 + number % 2], toDateTime('2026-09-01', 'UTC') + number \
         FROM numbers(100)",
    ] {
        client.query_raw(sql).execute().await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for (user, method, n_left) in [
        ("half", Method::Lightweight, 50),
        ("all", Method::Partition, 0),
    ] {
        let yaml = format!(
            "version: 1\nclickhouse: {{shards: [{{url: \"{}\"}}], user: {user}}}\n\
             ledger: {{url: \"sqlite://{}/{user}.db\"}}\n\
             retention: {{approval: none, default: 30d, max_share_of_table: 1.0}}\n{PACE}\
             targets: [{{table: spans, workspace: w, age: {{time: at}}}}]\n",
            server.url(),
            folder.path().display()
        );
        let config = Config::parse(&yaml).unwrap();
        let ledger = ledger_of(&config).await;
        let clock = Arc::new(FixedClock(at(NOW)));
        let engine = Engine::new(&config, ledger, clock).unwrap();
        let (made, report) = run(&engine).await.unwrap();
        assert_eq!(report.status, CycleStatus::Done, "{report:#?}");
        let methods: Vec<Method> = made.steps.iter().map(|step| step.method).collect();
        assert_eq!(methods, [method], "{user}");
        let left = client.query("SELECT count() FROM spans");
        assert_eq!(left.fetch_one::<u64>().await.unwrap(), n_left, "{user}");
    }
}

/// What nobody can count by itself is masked, and no other is counted again for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_are_too_much_by_themselves_do_not_keep_the_others_from_being_proven() {
    let mut world = World::with(", probe_rows: 100").await;
    finite(&mut world);
    world.sql("RENAME TABLE spans TO old_spans").await;
    let create = "CREATE TABLE spans (w String, p String, at DateTime('UTC'), n UInt64) \
                  ENGINE = MergeTree PARTITION BY toMonday(at) ORDER BY at \
                  SETTINGS index_granularity = 8";
    world.sql(create).await;
    let rows =
        "INSERT INTO spans SELECT * FROM old_spans SETTINGS max_partitions_per_insert_block = 0";
    world.sql(rows).await;
    for monday in ["2026-08-31", "2026-09-21"] {
        let many = format!(
            "INSERT INTO spans SELECT concat('w', toString(number % 4)), 'p', \
             toDateTime('{monday}', 'UTC') + toIntervalMinute(number * 30), number FROM numbers(200)"
        );
        world.sql(&many).await;
    }
    let made = plan(&world.engine()).await;
    let whole = made.steps.iter();
    let whole = whole.filter(|step| &*step.table == "spans" && step.method == Method::Partition);
    let mut dropped: Vec<&str> = whole
        .flat_map(|step| step.partitions.iter().map(|id| &**id))
        .collect();
    dropped.sort_unstable();
    let proven = [
        "20260810", "20260817", "20260824", "20260907", "20260914", "20260928", "20261005",
        "20261012",
    ];
    assert_eq!(dropped, proven, "{:#?}", made.unprobed);
    // Of the oldest of the others half a day can be counted, and goes row by row.
    let masked = steps(&made).into_iter();
    let masked: Vec<_> = masked
        .filter(|(method, ..)| *method != Method::Partition)
        .collect();
    assert_eq!(
        masked,
        [(Method::Lightweight, "20260831".into(), 28)],
        "{:#?}",
        made.deferred
    );
    for id in proven {
        let counted = format!("{PROOF}spans%{id}%");
        assert_eq!(finished(&world, &counted).await, 1, "{id}");
    }
    run(&world.engine()).await.unwrap();
    assert_eq!(world.count("spans WHERE at < '2026-08-31'").await, 0);
}

/// Memory for a large value is not there; only counts of what goes row by row have to read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_proven_goes_although_the_rest_cannot_be_counted() {
    let world = Heavy::empty().await;
    for sql in [
        "CREATE TABLE spans (w String, p String, at DateTime('UTC')) ENGINE = MergeTree \
         PARTITION BY toYYYYMM(at) ORDER BY tuple()",
        "INSERT INTO spans SELECT 'w', 'p', toDateTime('2026-08-01', 'UTC') + toIntervalDay(number) \
         FROM numbers(61)",
        "INSERT INTO spans SELECT 'w', repeat(repeat('x', 1000), 96000), '2026-10-01 00:00:00'",
        "INSERT INTO spans SELECT 'w', 'p', toDateTime('2026-10-02', 'UTC') + toIntervalDay(number) \
         FROM numbers(40)",
        "OPTIMIZE TABLE spans FINAL",
    ] {
        world.sql(sql).await;
    }
    world.project_rule("w", "p", "25d").await;
    let engine = world.engine();
    let (made, report) = run(&engine).await.unwrap();
    assert_eq!(
        steps(&made),
        [(Method::Partition, "202608 202609".into(), 61)]
    );
    // Its oldest row is the large one: nothing less can be counted.
    assert_eq!(report.status, CycleStatus::Failed, "{report:#?}");
    assert_eq!(world.count("spans").await, 41);
    // Nothing else goes, and somebody has to know why.
    let (made, report) = run(&engine).await.unwrap();
    assert_eq!((steps(&made), report.n_deleted()), (vec![], 0));
    // The workspace without its project, and the project.
    assert_eq!(made.unprobed.len(), 2, "{made:#?}");
    for why in &made.unprobed {
        assert!(why.reason.contains("MEMORY_LIMIT_EXCEEDED"), "{why:?}");
    }
}
