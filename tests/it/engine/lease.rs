//! One cycle at a time: who has no lease, or lost it, sends nothing; who is told to stop ends after
//! its statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ebbtide::{CycleKind, CycleStatus, EngineError, Event, Tenure, connect_ledger};
use mysql_async::prelude::Queryable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::world::{World, plan, tenure};
use crate::support::TestMysql;

#[tokio::test]
async fn a_second_instance_is_told_who_is_at_work() {
    let world = World::new().await;
    let first = world.tenure().await;
    let error = Tenure::begin(&world.ledger, "second", Duration::from_mins(1))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, EngineError::Busy { holder, .. } if holder == "test"),
        "{error}"
    );
    let token = first.token();
    first.release().await.unwrap();
    let second = Tenure::begin(&world.ledger, "second", Duration::from_mins(1)).await;
    assert!(second.unwrap().token() > token);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_for_as_long_as_it_is_held() {
    let world = World::new().await;
    let length = Duration::from_secs(1);
    let first = Tenure::begin(&world.ledger, "first", length).await.unwrap();
    let began_at = Instant::now();
    // Others ask all the time, for longer than it lasts by itself.
    while began_at.elapsed() < 3 * length {
        let second = Tenure::begin(&world.ledger, "second", length).await;
        assert!(matches!(second, Err(EngineError::Busy { .. })));
        assert!(first.is_held());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Dropped, it ends by itself.
    drop(first);
    for _ in 0..500 {
        if Tenure::begin(&world.ledger, "second", length).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the lease never ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_cannot_be_renewed_counts_as_lost_before_it_ends() {
    let world = World::new().await;
    let asked = Instant::now();
    let length = Duration::from_secs(2);
    let tenure = Tenure::begin(&world.ledger, "first", length).await.unwrap();
    // Nobody can write to the ledger.
    let connection = rusqlite::Connection::open(world.folder.path().join("ledger.db")).unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut was_too_late = false;
    while tenure.is_held() {
        was_too_late |= !tenure.may_send() && tenure.is_held();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(was_too_late, "a statement needs some time to arrive");
    tenure.lost().cancelled().await;
    // From a renewal that came before the lock, at the latest.
    assert!(asked.elapsed() < 2 * length, "{:?}", asked.elapsed());
    connection.execute_batch("ROLLBACK").unwrap();
}

/// A way to a server on which one connection goes silent for ever when it is told so: the next that
/// asks something.
async fn silenced(target: String, is_told: Arc<AtomicBool>) -> String {
    /// The command that executes a prepared statement, after its length and number. What the pool
    /// does by itself is none.
    const EXECUTE: u8 = 0x17;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            let is_told = Arc::clone(&is_told);
            tokio::spawn(async move {
                let mut piece = vec![0; 65_536];
                while let Ok(size @ 1..) = from_client.read(&mut piece).await {
                    let asks = size > 4 && piece[4] == EXECUTE;
                    if asks && is_told.swap(false, Ordering::Relaxed) {
                        return std::future::pending().await;
                    }
                    if to_server.write_all(&piece[..size]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_goes_silent_does_not_cost_the_lease() {
    let mysql = TestMysql::create().await;
    let is_told = Arc::new(AtomicBool::new(false));
    let (head, database) = mysql.url().rsplit_once('/').unwrap();
    let (user, target) = head.rsplit_once('@').unwrap();
    let proxy = silenced(target.to_owned(), Arc::clone(&is_told)).await;
    let url = format!("{user}@{proxy}/{database}");
    let ledger = connect_ledger(&url, None).await.unwrap();
    ledger.migrate().await.unwrap();
    let length = Duration::from_secs(9);
    let tenure = Tenure::begin(&ledger, "first", length).await.unwrap();
    is_told.store(true, Ordering::Relaxed);
    let lost = tokio::time::timeout(length, tenure.lost().cancelled());
    assert!(
        lost.await.is_err(),
        "one silent connection of two is not the ledger"
    );
    assert!(!is_told.load(Ordering::Relaxed), "it went silent");
    tenure.release().await.unwrap();
}

#[tokio::test]
async fn who_lost_the_lease_sends_nothing_more() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    let file = world.folder.path().join("ledger.db");
    let engine = world.engine().observed_by(move |event| {
        if matches!(event, Event::StepFinished { .. }) {
            // It ended, and somebody else took it.
            let connection = rusqlite::Connection::open(&file).unwrap();
            let taken =
                connection.execute("UPDATE leases SET holder = 'other', token = token + 1", []);
            assert_eq!(taken.unwrap(), 1);
        }
    });
    engine.note_settings("test").await.unwrap();
    let plan = plan(&engine).await;
    let tenure = world.tenure().await;
    let never = CancellationToken::new();
    let report = engine
        .apply(&plan, CycleKind::Run, &tenure, &never)
        .await
        .unwrap();
    assert_eq!(
        (report.status, report.steps.len()),
        (CycleStatus::LeaseLost, 1)
    );
    assert_eq!(world.mutations().await, 1);
    assert_eq!(world.count("traces WHERE w = 'w1'").await, 100);
    let cycle = world.ledger.cycle(&report.cycle).await.unwrap().unwrap();
    assert_eq!(cycle.end.unwrap().1, "lease_lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_that_took_longer_to_record_than_the_lease_lasts_leads_to_no_statement() {
    let mut world = World::new().await;
    let mysql = TestMysql::create().await;
    world.ledger = connect_ledger(mysql.url(), None).await.unwrap();
    world.ledger.migrate().await.unwrap();
    world.rule("w1", "30d").await;
    let engine = world.engine();
    engine.note_settings("test").await.unwrap();
    let plan = plan(&engine).await;
    // It looks at the lease first, keeps it from being renewed meanwhile, and records in the end.
    let slow = "CREATE TRIGGER slow BEFORE INSERT ON steps FOR EACH ROW SET @slept = SLEEP(5)";
    mysql.connect().await.query_drop(slow).await.unwrap();
    let length = Duration::from_secs(3);
    let tenure = Tenure::begin(&world.ledger, "test", length).await.unwrap();
    let never = CancellationToken::new();
    let applied = engine.apply(&plan, CycleKind::Run, &tenure, &never).await;
    let report = applied.unwrap();
    assert_eq!(report.status, CycleStatus::LeaseLost);
    assert_eq!(world.mutations().await, 0);
    let steps = world.ledger.steps(&report.cycle).await.unwrap();
    assert_eq!(steps.len(), 1, "the intent was recorded");
    let outcome = steps[0].outcome.as_ref().unwrap();
    assert_eq!(
        (
            &*outcome.verdict,
            outcome.rows_left,
            outcome.error.as_deref()
        ),
        (
            "failed",
            Some(69),
            Some("not started: the lease was lost, or nearly")
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_ends_after_the_statement_and_records_it() {
    let world = World::new().await;
    world.rule("w1", "30d").await;
    world.sql("SYSTEM STOP MERGES spans").await;
    let engine = world.engine();
    engine.note_settings("test").await.unwrap();
    let plan = plan(&engine).await;
    let stop = CancellationToken::new();
    let (ledger, told) = (world.ledger.clone(), stop.clone());
    let cycle = tokio::spawn(async move {
        let tenure = tenure(&ledger).await;
        let report = engine.apply(&plan, CycleKind::Run, &tenure, &told).await;
        tenure.release().await.unwrap();
        report
    });
    world.wait_for_mutations(1).await;
    stop.cancel();
    world.sql("SYSTEM START MERGES spans").await;
    let report = cycle.await.unwrap().unwrap();
    assert_eq!(
        (report.status, report.steps.len()),
        (CycleStatus::Stopped, 1)
    );
    assert!(report.steps[0].is_verified());
    assert_eq!(world.mutations().await, 1);
    let steps = world.ledger.steps(&report.cycle).await.unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].outcome.as_ref().unwrap().verdict, "verified");
    // What a statement costs is learned from that: the count after it is none of it.
    let (of_statement, of_all) = (report.steps[0].statement, report.steps[0].duration);
    let recorded = u128::from(steps[0].outcome.as_ref().unwrap().duration_ms);
    assert!(recorded > 0 && recorded < of_all.as_millis());
    assert_eq!(recorded, of_statement.as_millis());
    assert!(steps[0].intent.predicate.contains("'w1'"));
    assert!(
        steps[0]
            .intent
            .bounds
            .contains(r#""cutoff":"2026-10-22T00:00:00Z""#)
    );
}

#[tokio::test]
async fn who_gives_way_goes_on_when_the_others_are_done() {
    let world = World::new().await;
    let mut tenure = world.tenure().await;
    let (before, moment) = (tenure.token(), Duration::from_millis(20));
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let never = CancellationToken::new();
    let others = async {
        let other = loop {
            match Tenure::begin(&world.ledger, "another", Duration::from_mins(5)).await {
                Ok(other) => break other,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let busy: String = heard.recv().await.unwrap();
        assert!(busy.contains("another is at work"), "{busy}");
        other.release().await.unwrap();
    };
    let busy = |error: &EngineError| said.send(error.to_string()).unwrap();
    let (given, ()) = tokio::join!(tenure.give_way(moment, &never, busy), others);
    given.unwrap();
    assert!(tenure.is_held() && tenure.token() > before);

    let told = CancellationToken::new();
    told.cancel();
    let stopped = tenure.give_way(moment, &told, |_| {}).await;
    assert!(matches!(stopped, Err(EngineError::Stopped)), "{stopped:?}");
    assert!(!tenure.may_send(), "it is not ours any more");
    world.tenure().await.release().await.unwrap();
}
