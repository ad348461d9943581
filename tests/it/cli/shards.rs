//! Two shards, one of them down: the other is worked on, and the exit code says so.

use ebbtide::Embedded;

use super::scene::N_YOUNG;
use super::servers::closed_port;
use super::{Scene, matches_snapshot};
use crate::support::embedded_options;

/// The shards in this order.
fn configure(scene: &Scene, urls: [&str; 2]) {
    let head = scene.head();
    let one = format!("[{{url: \"{}\"}}]", scene.database.url());
    let two = format!("[{{url: \"{}\"}}, {{url: \"{}\"}}]", urls[0], urls[1]);
    assert!(head.contains(&one));
    let text = format!(
        "{}retention: {{approval: none, default: 60d}}\ntargets: [{{table: traces, workspace: workspace_id, age: \
         {{uuid_v7: id}}}}]\n",
        head.replace(&one, &two)
    );
    scene.write("config.yml", &text);
}

#[tokio::test]
async fn one_shard_down_and_both() {
    let scene = Scene::new().await;
    let up = scene.database.url().to_owned();
    let nobody = || format!("http://127.0.0.1:{}", closed_port());
    configure(&scene, [&nobody(), &nobody()]);
    let both = scene.refused(69, &["run"]).await;
    configure(&scene, [&nobody(), &up]);
    let plan = scene.run(&["plan"]);
    assert_eq!(plan.code, 1, "{}", plan.transcript);
    let run = scene.run(&["run"]);
    assert_eq!(run.code, 1, "{}", run.transcript);
    assert_eq!(
        (scene.count_rows().await, scene.n_mutations().await),
        (N_YOUNG, 1)
    );
    let again = scene.run(&["run"]);
    assert_eq!(
        again.code, 1,
        "the other shard is still owed: {}",
        again.transcript
    );
    assert_eq!(scene.n_mutations().await, 1);
    let transcript = [both, plan, run, again].map(|outcome| outcome.transcript);
    matches_snapshot!("shards_one_down", transcript.join("\n"));
}

/// Both up: each is worked on, and the plan names each.
#[tokio::test]
async fn two_shards_up() {
    let second = Embedded::start(embedded_options()).unwrap();
    let scene = Scene::new().await;
    let remote = clickhouse::Client::default().with_url(second.url());
    let database = scene.database.name();
    for sql in [
        format!("CREATE DATABASE {database}"),
        format!(
            "CREATE TABLE {database}.traces (workspace_id String, project_id String, id String, n UInt64) \
             ENGINE = MergeTree ORDER BY (workspace_id, id)"
        ),
        format!(
            "INSERT INTO {database}.traces SELECT 'w1', 'p1', \
             toString(dateTimeToUUIDv7(now() - toIntervalDay(number))), number FROM numbers(100)"
        ),
    ] {
        remote.query(&sql).execute().await.unwrap();
    }
    configure(&scene, [scene.database.url(), &second.url()]);
    scene.good(&["run"]);
    assert_eq!(scene.count_rows().await, N_YOUNG);
    let left = format!("SELECT count() FROM {database}.traces");
    let left = remote.query(&left).fetch_one::<u64>().await.unwrap();
    assert!(
        (60..=62).contains(&left),
        "{left} rows of the second shard are left"
    );

    // A table that is missing on one shard is a problem of the configuration: nothing is deleted.
    scene.fill("traces", 100, 9).await;
    remote
        .query(&format!("DROP TABLE {database}.traces"))
        .execute()
        .await
        .unwrap();
    let before = (scene.count_rows().await, scene.n_mutations().await);
    let outcome = scene.run(&["run"]);
    assert_eq!(outcome.code, 2, "{}", outcome.transcript);
    assert_eq!(
        (scene.count_rows().await, scene.n_mutations().await),
        before
    );
    drop(second);
}
