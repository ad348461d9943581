//! The differential oracle: random tables, rows and rules; an independent model says which rows
//! survive, and the engine must agree row by row on a real ClickHouse.
//!
//! `EBBTIDE_ORACLE_CASES` (default 200) and `EBBTIDE_ORACLE_SEED` (default: a fixed one) choose how
//! many and which. A failure names the seed of its case, which alone repeats it with
//! `EBBTIDE_ORACLE_CASES=1 EBBTIDE_ORACLE_SEED=<seed>`.

mod case;
mod model;
mod shapes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ebbtide::{
    Config, CycleStatus, Engine, FixedClock, ImportRule, Periods, RuleReader, connect_ledger,
};

use self::case::Case;
use crate::engine::world::run;
use crate::support::TestDatabase;

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
    let totals = Arc::new([const { AtomicU64::new(0) }; 3]);
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
    let [n_rows, n_deleted, n_kept] = [0, 1, 2].map(|at| totals[at].load(Ordering::Relaxed));
    println!("{n_cases} cases, {n_rows} rows, {n_deleted} deleted, {n_kept} kept by references");
    if n_cases >= 50 {
        // The cases must have something to say: neither nothing nor everything goes.
        assert!(
            n_deleted * 10 > n_rows && n_deleted * 10 < n_rows * 9,
            "{n_deleted} of {n_rows}"
        );
        assert!(n_kept > 0);
    }
}

/// Runs one case; returns its numbers of rows, deleted rows and kept rows.
async fn check(database: &TestDatabase, seed: u64) -> [u64; 3] {
    let case = Case::random(seed);
    let client = database.client();
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
    let expected = model::survivors(&case);

    let directory = tempfile::tempdir().unwrap();
    let yaml = case.config(database, directory.path());
    let config =
        Config::parse(&yaml).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{yaml}"));
    let ledger = connect_ledger(&config.ledger.url, None).await.unwrap();
    ledger.migrate().await.unwrap();
    import_rules(&case, &config.periods, &*ledger).await;
    let mut pairs = case.directory.iter().map(|(workspace, organization)| {
        Ok((workspace.as_str().into(), organization.as_str().into()))
    });
    ledger.put_workspaces(&mut pairs, "oracle").await.unwrap();

    let engine = Engine::new(&config, ledger, Arc::new(FixedClock(case.now))).unwrap();
    let (plan, report) = run(&engine)
        .await
        .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{yaml}"));
    let context = || {
        format!(
            "seed {seed}\n{yaml}\n{}\n{:#?}\n{report:#?}",
            case.rules_yaml(),
            plan.tables
        )
    };
    assert_eq!(report.status, CycleStatus::Done, "{}", context());

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
    let table = plan.tables.first().expect("the target was probed");
    assert_eq!(table.totals.n_rows, expected.n_rows, "{}", context());
    assert_eq!(
        table.totals.n_undatable,
        expected.n_undatable,
        "{}",
        context()
    );
    assert_eq!(table.totals.n_future, expected.n_future, "{}", context());
    assert_eq!(
        (table.n_due, table.n_kept),
        (expected.n_due, expected.n_kept),
        "{}",
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
    [expected.n_rows, expected.n_due, expected.n_kept]
}

async fn import_rules(case: &Case, periods: &Periods, ledger: &dyn ebbtide::Ledger) {
    let yaml = case.rules_yaml();
    let mut rules = RuleReader::new(yaml.as_bytes(), periods).map(|entry| {
        entry
            .map(ImportRule::from)
            .map_err(|problem| format!("{problem}\n{yaml}"))
    });
    ledger
        .import_rules(&mut rules, "oracle", case.now)
        .await
        .unwrap();
}
