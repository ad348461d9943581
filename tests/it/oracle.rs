//! The differential oracle: random tables, rows and rules; an independent model says which rows
//! survive, and the engine must agree row by row on a real ClickHouse.
//!
//! `EBBTIDE_ORACLE_CASES` (default 200) and `EBBTIDE_ORACLE_SEED` (default: a fixed one) choose how
//! many and which. A failure names the seed of its case, which alone repeats it with
//! `EBBTIDE_ORACLE_CASES=1 EBBTIDE_ORACLE_SEED=<seed>`.

mod case;
mod ledger;
mod model;
mod shapes;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide::{
    Config, CycleKind, CycleStatus, Engine, FixedClock, Method, Plan, PlanRequest, TableRows,
    next_due, slot_start, utc_day,
};
use tokio_util::sync::CancellationToken;

use self::case::{Case, CaseBase};
use crate::engine::world::{self, run};
use crate::support::{TestDatabase, ledger_of};

const DEFAULT_CASES: u64 = 200;
const DEFAULT_SEED: u64 = 20_261_121;
/// Cases run side by side; each is mostly waiting for the server.
const N_WORKERS: u64 = 4;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a whole number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_and_an_independent_model_agree_row_by_row() {
    let database = Arc::new(TestDatabase::create().await);
    let n_cases = number("EBBTIDE_ORACLE_CASES", DEFAULT_CASES);
    let first = number("EBBTIDE_ORACLE_SEED", DEFAULT_SEED);
    let next = Arc::new(AtomicU64::new(0));
    let totals = Arc::new([const { AtomicU64::new(0) }; 8]);
    let workers = (0..N_WORKERS).map(|_| {
        let (database, next, totals) = (database.clone(), next.clone(), totals.clone());
        tokio::spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= n_cases {
                    return;
                }
                let counts = check(&database, first + index).await;
                for (total, count) in totals.iter().zip(counts) {
                    total.fetch_add(count, Ordering::Relaxed);
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let counts = [0, 1, 2, 3, 4, 5, 6, 7].map(|at| totals[at].load(Ordering::Relaxed));
    println!(
        "{n_cases} cases; rows, deleted, kept, waiting, held, paused, dropped, patched: {counts:?}"
    );
    let [n_rows, n_deleted, others @ ..] = counts;
    if n_cases >= 50 {
        // The cases must have something to say: neither nothing nor everything goes.
        assert!(
            n_deleted * 10 > n_rows && n_deleted * 10 < n_rows * 9,
            "{n_deleted} of {n_rows}"
        );
        assert!(others.iter().all(|count| *count > 0), "{counts:?}");
    }
}

/// Runs one case; returns its numbers of rows: all, deleted, kept, waiting, held, paused, and those
/// that went in whole partitions and by patches.
async fn check(database: &TestDatabase, seed: u64) -> [u64; 8] {
    let case = Case::random(seed);
    let client = database.client();
    set_up(&case, database).await;
    let expected = model::survivors(&case);

    let directory = tempfile::tempdir().unwrap();
    let (engine, yaml) = engine(&case, database, directory.path()).await;
    // Half of the cycles know the totals of the day before they begin.
    let knows_totals = seed.is_multiple_of(2);
    if knows_totals {
        let request = PlanRequest {
            with_totals: true,
            ..PlanRequest::default()
        };
        let looked = engine.plan(&request).await;
        looked.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let plans = cycles(&case, &engine).await;
    let context = || {
        format!(
            "{case:#?}\nseed {seed}\n{yaml}\n{}\n{:#?}",
            Case::rules_yaml(&case.rules),
            plans.iter().map(|plan| &plan.tables).collect::<Vec<_>>()
        )
    };

    let survivors = client
        .query_raw(&case.survivors_sql())
        .fetch_all::<(u64, u64)>()
        .await
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let survivors: BTreeSet<(u64, u64)> = survivors.into_iter().collect();
    let wrongly_gone: Vec<_> = expected.rows.difference(&survivors).collect();
    let wrongly_there: Vec<_> = survivors.difference(&expected.rows).collect();
    assert!(
        wrongly_gone.is_empty() && wrongly_there.is_empty(),
        "wrongly gone: {:#?}\nwrongly there: {:#?}\n{}",
        case.rows_of(&wrongly_gone),
        case.rows_of(&wrongly_there),
        context()
    );
    let totals = plans[0].tables[0].totals;
    assert_eq!(
        (totals.n_rows, totals.n_undatable, totals.n_future),
        (
            expected.n_rows,
            knows_totals.then_some(expected.n_undatable),
            knows_totals.then_some(expected.n_future)
        ),
        "{}",
        context()
    );
    // Together the slots count what one plan would.
    let of_tables = |of: fn(&Plan) -> u64| plans.iter().map(of).sum::<u64>();
    assert_eq!(
        [
            of_tables(Plan::n_due),
            of_tables(|plan| plan.tables[0].n_kept),
            of_tables(|plan| sum(&plan.waiting)),
            of_tables(|plan| sum(&plan.held)),
            of_tables(|plan| sum(&plan.paused)),
        ],
        [
            expected.n_due,
            expected.n_kept,
            expected.n_waiting,
            expected.n_held,
            expected.n_paused
        ],
        "due, kept, waiting, held, paused: {}",
        context()
    );

    // A second cycle finds nothing and sends nothing.
    let (again, report) = run(&engine).await.unwrap();
    assert!(
        again.steps.is_empty() && report.steps.is_empty(),
        "{}",
        context()
    );
    client
        .query_raw(&format!("DROP TABLE {} SYNC", case.table()))
        .execute()
        .await
        .unwrap();
    let by = |method| {
        let steps = plans.iter().flat_map(|plan| &plan.steps);
        let of_method = steps.filter(|step| step.method == method);
        of_method.map(|step| step.n_due).sum()
    };
    [
        expected.n_rows,
        expected.n_due,
        expected.n_kept,
        expected.n_waiting,
        expected.n_held,
        expected.n_paused,
        by(Method::Partition),
        by(Method::Patch),
    ]
}

/// An engine with the rules, holds and approvals of a case, and its configuration.
async fn engine(case: &Case, database: &TestDatabase, directory: &Path) -> (Engine, String) {
    let seed = case.seed;
    let yaml = case.config(database, directory, case.default_days);
    let config =
        Config::parse(&yaml).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{yaml}"));
    let ledger = ledger_of(&config).await;
    let mut pairs = case.directory.iter().map(|(workspace, organization)| {
        Ok((workspace.as_str().into(), organization.as_str().into()))
    });
    ledger.put_workspaces(&mut pairs, "oracle").await.unwrap();
    if let CaseBase::Approved(rules, default) = &case.base {
        let yaml = case.config(database, directory, *default);
        let config = Config::parse(&yaml).unwrap();
        ledger::approve(case, rules, &config, &ledger).await;
    }
    ledger::set_rules(case, &case.rules, &config.periods, &*ledger).await;
    ledger::guard(case, &*ledger).await;
    let engine = Engine::new(&config, ledger, Arc::new(FixedClock(case.now))).unwrap();
    (engine, yaml)
}

async fn set_up(case: &Case, database: &TestDatabase) {
    let (client, seed) = (database.client(), case.seed);
    for statement in case.set_up() {
        client
            .query_raw(&statement)
            .execute()
            .await
            .unwrap_or_else(|error| {
                panic!(
                    "seed {seed}: {error}\n{}",
                    statement.chars().take(2_000).collect::<String>()
                )
            });
    }
}

fn sum(rows: &[TableRows]) -> u64 {
    rows.iter().map(|rows| rows.n_rows).sum()
}

/// One cycle, or all slots of the day; returns the plans that were applied.
async fn cycles(case: &Case, engine: &Engine) -> Vec<Plan> {
    let seed = case.seed;
    let Some(per_day) = case.slots else {
        let ran = run(engine).await;
        let (plan, report) = ran.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(report.status, CycleStatus::Done, "seed {seed}: {report:#?}");
        return vec![plan];
    };
    engine.note_settings("oracle").await.unwrap();
    let ledger = engine.ledger();
    let tenure = world::tenure(ledger).await;
    let never = CancellationToken::new();
    let day = utc_day(case.now);
    let midnight = slot_start(case.now, 0, 1);
    let last = midnight + jiff::SignedDuration::from_millis(86_399_999);
    let (mut plans, mut partial) = (Vec::new(), Vec::new());
    loop {
        // What is paused stays so: its slots are not tried again here.
        let mut done = ledger.slots_done(&day).await.unwrap();
        done.extend(&partial);
        done.sort();
        let Some(slot) = next_due(last, per_day, &done) else {
            break;
        };
        let plan = engine.plan(&PlanRequest::of_slot(slot)).await.unwrap();
        let applied = engine.apply(&plan, CycleKind::Slot, &tenure, &never).await;
        let report = applied.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        if report.status == CycleStatus::Partial {
            assert!(!plan.paused.is_empty(), "seed {seed}: {report:#?}");
            partial.push(slot);
        } else {
            assert_eq!(report.status, CycleStatus::Done, "seed {seed}: {report:#?}");
        }
        plans.push(plan);
    }
    tenure.release().await.unwrap();
    plans
}
