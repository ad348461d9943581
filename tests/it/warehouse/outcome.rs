//! What becomes of a statement: answered, refused, lost, killed.

use std::time::Duration;

use ebbtide::{Execution, Request, Shard, WarehouseError};

use super::proxy::{self, Delete};
use super::{Bench, delete_on, options};

#[tokio::test]
async fn an_answered_statement_is_done_and_joins_with_the_query_log() {
    let bench = Bench::new().with_rows().await;
    let marker = "ebbtide:retention:t:done-1";
    let execution = bench.delete("id < 40", marker).await;
    assert!(matches!(execution, Execution::Done), "{execution:?}");
    assert_eq!(bench.rows().await, 60);
    assert_eq!(bench.mutations(marker).await, 1);
    assert_eq!(bench.shard.unfinished_mutations("t").await.unwrap(), []);

    bench.run("SYSTEM FLUSH LOGS").await;
    let logged: u64 = bench
        .database
        .client()
        .query_raw(
            "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' \
             AND query_id = {query_id:String} AND log_comment = {marker:String}",
        )
        .param("query_id", format!("{}-{marker}", bench.database.name()))
        .param("marker", marker)
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(logged, 1);
}

#[tokio::test]
async fn a_statement_may_hold_anything_that_is_text() {
    let bench = Bench::new().with_rows().await;
    let condition = "w IN ('a', '?', '{x:String}', '\\0', '🌊') AND id < 10";
    let execution = bench.delete(condition, "ebbtide:retention:t:text-1").await;
    assert!(matches!(execution, Execution::Done), "{execution:?}");
    assert_eq!(bench.rows().await, 90);
}

#[tokio::test]
async fn a_refused_statement_failed_and_did_nothing() {
    let bench = Bench::new().with_rows().await;
    let marker = "ebbtide:retention:t:refused-1";
    let execution = bench.delete("nix = 1", marker).await;
    let Execution::Failed { error, standing } = execution else {
        panic!("{execution:?}");
    };
    assert!(
        error.to_string().contains("UNKNOWN_IDENTIFIER, code 47"),
        "{error}"
    );
    assert_eq!(standing, None);
    assert_eq!(
        (bench.rows().await, bench.mutations(marker).await),
        (100, 0)
    );
}

#[tokio::test]
async fn a_statement_without_its_marker_is_not_sent() {
    let bench = Bench::new().with_rows().await;
    for marker in ["ebbtide:retention:t:other", "t:1-1", "ebbtide:retention:\\"] {
        let request = Request {
            sql: "DELETE FROM t WHERE id < 5 AND 'ebbtide:retention:t:1-1' != '' AND 't:1-1' != ''",
            query_id: "unmarked",
            log_comment: "",
            marker,
            is_mutation: true,
            params: &[],
            settings: &[],
        };
        let execution = bench.shard.execute(&request).await;
        let Execution::Failed { error, .. } = execution else {
            panic!("{execution:?}");
        };
        assert!(matches!(error, WarehouseError::NoMarker { .. }), "{error}");
    }
    assert_eq!(bench.rows().await, 100);
}

#[tokio::test]
async fn settings_cannot_make_a_statement_answer_early() {
    let bench = Bench::new().with_rows().await;
    bench.run("SYSTEM STOP MERGES t").await;
    let mut options = options(&bench.database);
    options.statement_timeout = Duration::from_millis(500);
    options.settle_timeout = Duration::from_millis(500);
    let request = Request {
        sql: "DELETE FROM t WHERE id < 5 AND 'ebbtide:retention:t:early-1' != ''",
        query_id: bench.database.name(),
        log_comment: "",
        marker: "ebbtide:retention:t:early-1",
        is_mutation: true,
        params: &[],
        settings: &[("lightweight_deletes_sync", "0")],
    };
    let execution = Shard::new(options).unwrap().execute(&request).await;
    assert!(
        matches!(execution, Execution::Running { .. }),
        "{execution:?}"
    );
    bench.kill_mutations().await;
}

#[tokio::test]
async fn a_statement_out_of_time_is_found_running_and_then_settles_once() {
    let bench = Bench::with(|options| options.statement_timeout = Duration::from_millis(300))
        .with_rows()
        .await;
    bench.run("SYSTEM STOP MERGES t").await;
    let marker = "ebbtide:retention:t:slow-1";

    // Still running when the patience ends.
    let mut impatient = options(&bench.database);
    impatient.statement_timeout = Duration::from_millis(300);
    impatient.settle_timeout = Duration::from_millis(700);
    let impatient = Shard::new(impatient).unwrap();
    let execution = delete_on(&impatient, "id < 10", marker).await;
    let Execution::Running { mutation, error } = execution else {
        panic!("{execution:?}");
    };
    assert!(matches!(error, WarehouseError::Timeout { .. }), "{error}");
    let mutation = mutation.unwrap();
    assert_eq!(
        (mutation.marker.as_str(), mutation.parts_to_do),
        (marker, 1)
    );
    // All but its age, which grows from look to look.
    let unfinished = bench.shard.unfinished_mutations("t").await.unwrap();
    let same: Vec<_> = unfinished
        .iter()
        .map(|found| (&found.id, &found.marker, found.created_at))
        .collect();
    assert_eq!(
        same,
        [(&mutation.id, &mutation.marker, mutation.created_at)]
    );

    // Settles while it is looked at.
    let second = "ebbtide:retention:t:slow-2";
    let (execution, ()) = tokio::join!(bench.delete("id < 20", second), async {
        bench.until_registered(second).await;
        assert_eq!(
            bench.shard.unfinished_mutations("t").await.unwrap().len(),
            2
        );
        // Only after the client gave up, so that the answer is lost for sure.
        tokio::time::timeout(Duration::from_secs(20), async {
            let id = format!("{}-{second}", bench.database.name());
            while bench.waits_for_answer(&id).await {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        bench.run("SYSTEM START MERGES t").await;
    });
    assert!(matches!(execution, Execution::Done), "{execution:?}");
    assert_eq!(bench.rows().await, 80);
    assert_eq!(bench.mutations(marker).await, 1);
    assert_eq!(bench.mutations(second).await, 1);
    assert_eq!(bench.shard.unfinished_mutations("t").await.unwrap(), []);
}

impl Bench {
    /// Whether the server still holds the query; it lets go at the time-out that was sent along.
    async fn waits_for_answer(&self, query_id: &str) -> bool {
        let n_running: u64 = self
            .database
            .client()
            .query_raw("SELECT count() FROM system.processes WHERE query_id = {id:String}")
            .param("id", query_id)
            .fetch_one()
            .await
            .unwrap();
        n_running > 0
    }
}

#[tokio::test]
async fn a_killed_mutation_is_never_done() {
    let bench = Bench::new().with_rows().await;
    bench.run("SYSTEM STOP MERGES t").await;
    let marker = "ebbtide:retention:t:kill-1";
    let (execution, ()) = tokio::join!(bench.delete("id < 10", marker), async {
        bench.until_registered(marker).await;
        bench.kill_mutations().await;
    });
    let Execution::Vanished { error, .. } = execution else {
        panic!("{execution:?}");
    };
    assert!(error.to_string().contains("was killed"), "{error}");
    assert_eq!(bench.rows().await, 100);
}

#[tokio::test]
async fn a_mutation_killed_after_a_lost_answer_has_vanished() {
    let bench = Bench::with(|options| options.statement_timeout = Duration::from_millis(400))
        .with_rows()
        .await;
    bench.run("SYSTEM STOP MERGES t").await;
    let marker = "ebbtide:retention:t:kill-3";
    let id = format!("{}-{marker}", bench.database.name());
    let (execution, ()) = tokio::join!(bench.delete("id < 10", marker), async {
        bench.until_registered(marker).await;
        while bench.waits_for_answer(&id).await {
            tokio::task::yield_now().await;
        }
        bench.kill_mutations().await;
    });
    assert!(
        matches!(execution, Execution::Vanished { .. }),
        "{execution:?}"
    );
    assert_eq!(bench.rows().await, 100);
}

#[tokio::test]
async fn a_mutation_that_cannot_finish_failed_and_stands() {
    let bench = Bench::new().with_rows().await;
    let marker = "ebbtide:retention:t:fails-1";
    let execution = bench.delete("throwIf(id = 50) = 0", marker).await;
    let Execution::Failed { error, standing } = execution else {
        panic!("{execution:?}");
    };
    let text = error.to_string();
    assert!(
        text.contains("throwIf") && text.contains("KILL MUTATION"),
        "{text}"
    );
    assert!(
        !text.contains("start_thread") && !text.contains('\n'),
        "{text}"
    );
    let standing = standing.unwrap();
    assert!(!standing.is_done);
    let unfinished = bench.shard.unfinished_mutations("t").await.unwrap();
    assert_eq!(unfinished.len(), 1);
    assert_eq!(unfinished[0].id, standing.id);
    assert!(unfinished[0].fail_reason.is_some());
    bench.kill_mutations().await;
    assert_eq!(bench.rows().await, 100);
}

#[tokio::test]
async fn mutations_of_others_are_not_ours() {
    let bench = Bench::new().with_rows().await;
    bench.run("SYSTEM STOP MERGES t").await;
    bench
        .run("ALTER TABLE t DELETE WHERE id = 1 AND 'ebbtide' != '' SETTINGS mutations_sync = 0")
        .await;
    assert_eq!(bench.shard.unfinished_mutations("t").await.unwrap(), []);
    bench.kill_mutations().await;
}

async fn through_proxy(bench: &Bench, delete: Delete) -> Shard {
    let mut options = options(&bench.database);
    options.url = proxy::losing(bench.database.url(), delete).await;
    options.settle_timeout = Duration::from_secs(4);
    Shard::new(options).unwrap()
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let bench = Bench::new().with_rows().await;
    let shard = through_proxy(&bench, Delete::AnswerLost).await;
    let marker = "ebbtide:retention:t:lost-1";
    let execution = delete_on(&shard, "id < 10", marker).await;
    assert!(matches!(execution, Execution::Done), "{execution:?}");
    assert_eq!((bench.rows().await, bench.mutations(marker).await), (90, 1));

    // A refusal whose answer is lost left no trace: it must not look done.
    let marker = "ebbtide:retention:t:lost-2";
    let execution = delete_on(&shard, "nix < 10", marker).await;
    assert!(
        matches!(
            execution,
            Execution::NotStarted { .. } | Execution::Vanished { .. }
        ),
        "{execution:?}"
    );
}

#[tokio::test]
async fn a_request_that_never_arrived_is_not_started() {
    let bench = Bench::new().with_rows().await;
    let shard = through_proxy(&bench, Delete::Dropped).await;
    let marker = "ebbtide:retention:t:dropped-1";
    let execution = delete_on(&shard, "id < 10", marker).await;
    let Execution::NotStarted { error } = execution else {
        panic!("{execution:?}");
    };
    assert!(
        matches!(error, WarehouseError::Interrupted { .. }),
        "{error}"
    );
    assert_eq!(
        (bench.rows().await, bench.mutations(marker).await),
        (100, 0)
    );
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_leaves_it_unknown() {
    let bench = Bench::new().with_rows().await;
    let shard = through_proxy(&bench, Delete::AnswerLostAndServerGone).await;
    let marker = "ebbtide:retention:t:unknown-1";
    let execution = delete_on(&shard, "id < 10", marker).await;
    let Execution::Unknown { looking, .. } = execution else {
        panic!("{execution:?}");
    };
    assert!(looking.is_some_and(|error| error.is_unreachable()));
    assert_eq!(bench.mutations(marker).await, 1);
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let bench = Bench::new().with_rows().await;
    let mut options = options(&bench.database);
    options.url = "http://127.0.0.1:1".into();
    let shard = Shard::new(options).unwrap();
    let execution = delete_on(&shard, "id < 10", "ebbtide:retention:t:dead-1").await;
    let Execution::NotStarted { error } = execution else {
        panic!("{execution:?}");
    };
    assert!(
        matches!(error, WarehouseError::Unreachable { .. }),
        "{error}"
    );
}
