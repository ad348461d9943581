//! What a rule does not clean.

use ebbtide::Embedded;

use super::super::Scene;
use super::Found;
use crate::support::embedded_options;

const TARGET: &str = "targets: [{table: traces, workspace: workspace_id, project: project_id, age: {uuid_v7: id}}]\n";

/// The usual configuration, and tables that no rule shall clean.
fn unmanaged(scene: &Scene, names: &str) {
    scene.configure(
        "retention: {default: unlimited}\n",
        &format!("{TARGET}unmanaged: [{names}]\n"),
    );
}

/// Each kind of copy: found, silent where it is classified, and gone with its cause.
#[tokio::test]
async fn what_is_derived_from_a_target_is_found_through_chains() {
    let scene = Scene::new().await;
    let counted = "SELECT workspace_id, count() AS n FROM traces GROUP BY workspace_id";
    for sql in [
        "CREATE TABLE per_day (workspace_id String, n UInt64) ENGINE = SummingMergeTree ORDER BY workspace_id",
        "CREATE TABLE `odd TO name` AS per_day",
        "CREATE TABLE filtered AS traces ENGINE = Null",
        "CREATE TABLE bystander AS per_day",
        &format!(
            "CREATE MATERIALIZED VIEW own_table ENGINE = MergeTree ORDER BY workspace_id AS {counted}"
        ),
        &format!("CREATE MATERIALIZED VIEW fill_per_day TO per_day AS {counted}"),
        "CREATE MATERIALIZED VIEW fill_odd TO `odd TO name` AS SELECT workspace_id, n FROM per_day",
        "CREATE MATERIALIZED VIEW filter TO filtered AS SELECT * FROM traces WHERE n > 1",
        "CREATE MATERIALIZED VIEW behind_null ENGINE = MergeTree ORDER BY tuple() AS SELECT n FROM filtered",
        "CREATE MATERIALIZED VIEW of_bystander ENGINE = MergeTree ORDER BY tuple() AS SELECT 'traces' AS t, n FROM bystander",
        &format!(
            "CREATE MATERIALIZED VIEW refreshed REFRESH EVERY 1 YEAR ENGINE = MergeTree ORDER BY tuple() AS {counted}"
        ),
        "CREATE DICTIONARY loaded_once (id String, n UInt64) PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 'traces')) \
         LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
        "CREATE DICTIONARY reloaded (id String, n UInt64) PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 'traces')) \
         LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(300)",
    ] {
        scene.execute(sql).await;
    }
    unmanaged(&scene, "bystander");
    let found = scene.findings();
    assert_eq!(
        found.subjects("derived-table"),
        [
            "behind_null",
            "loaded_once",
            "odd TO name",
            "own_table",
            "per_day",
            "refreshed",
            "reloaded"
        ]
    );
    assert_eq!(
        found.subjects("unlisted-table"),
        [""; 0],
        "each is told once"
    );
    let told = |subject: &str| found.only("derived-table", subject);
    for subject in [
        "behind_null",
        "loaded_once",
        "odd TO name",
        "own_table",
        "per_day",
    ] {
        assert_eq!(told(subject).0, "warning", "{subject}");
    }
    for subject in ["refreshed", "reloaded"] {
        assert_eq!(told(subject).0, "info", "{subject}");
    }
    let chain = "by the materialised view fill_odd from traces (traces → fill_per_day → per_day)";
    assert!(
        told("odd TO name").1.contains(chain),
        "{:?}",
        told("odd TO name")
    );

    unmanaged(
        &scene,
        "bystander, own_table, loaded_once, fill_odd, per_day, behind_null",
    );
    let classified = scene.findings().subjects("derived-table");
    assert_eq!(classified, ["refreshed", "reloaded"]);

    unmanaged(&scene, "bystander");
    scene
        .execute("ALTER TABLE per_day MODIFY TTL toDate('2020-01-01') + toIntervalDay(n) SETTINGS materialize_ttl_after_modify = 0")
        .await;
    assert_eq!(scene.findings().only("derived-table", "per_day").0, "info");
    for sql in [
        "DROP VIEW own_table SYNC",
        "DROP VIEW fill_odd SYNC",
        "DROP VIEW fill_per_day SYNC",
        "DROP VIEW filter SYNC",
        "DROP VIEW refreshed SYNC",
        "DROP DICTIONARY loaded_once",
        "DROP DICTIONARY reloaded",
    ] {
        scene.execute(sql).await;
    }
    let mended = scene.findings();
    assert_eq!(mended.subjects("derived-table"), [""; 0]);
    // Nothing fills them any more, and they hold rows of workspaces all the same.
    assert_eq!(
        mended.subjects("unlisted-table"),
        ["odd TO name", "per_day"]
    );
}

#[tokio::test]
async fn tables_with_workspaces_are_targets_or_classified() {
    let scene = Scene::new().await;
    for sql in [
        "CREATE TABLE notes (workspace_id String, at DateTime) ENGINE = MergeTree ORDER BY at",
        "CREATE TABLE brief (workspace_id String, at DateTime) ENGINE = MergeTree ORDER BY at TTL at + toIntervalDay(7)",
        "CREATE TABLE moved (workspace_id String, at DateTime) ENGINE = Memory",
        "CREATE TABLE settings (name String) ENGINE = MergeTree ORDER BY name",
        "CREATE VIEW only_a_view AS SELECT workspace_id FROM traces",
    ] {
        scene.execute(sql).await;
    }
    let found = scene.findings();
    assert_eq!(
        found.subjects("unlisted-table"),
        ["brief", "moved", "notes"]
    );
    assert_eq!(found.only("unlisted-table", "brief").0, "info");
    assert_eq!(found.only("unlisted-table", "notes").0, "warning");

    let qualified = format!("{}.moved", scene.database.name());
    unmanaged(&scene, &format!("notes, brief, {qualified}"));
    let found = scene.findings();
    assert_eq!(found.subjects("unlisted-table"), [""; 0]);
    assert_eq!(found.subjects("unknown-table"), [""; 0]);

    // A name that is nobody's would hide nothing.
    unmanaged(&scene, "notes, breif");
    let outcome = scene.run(&["--format=json", "doctor"]);
    assert_eq!(outcome.code, 2, "{}", outcome.transcript);
    let found = Found::of(&outcome.stdout);
    assert_eq!(found.subjects("unknown-table"), ["breif"]);
    assert_eq!(found.only("unknown-table", "breif").0, "error");
}

/// Tables over a target, and shards that nobody named.
#[tokio::test]
async fn tables_over_a_target_are_named_and_so_are_shards_that_are_missing() {
    let shard = "<shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>";
    let mut options = embedded_options();
    options.config_xml =
        format!("<remote_servers><one>{shard}</one><two>{shard}{shard}</two></remote_servers>");
    let server = Embedded::start(options).unwrap();
    let scene = Scene::new_at(&server).await;
    for sql in [
        "CREATE TABLE here AS traces ENGINE = Distributed('one', currentDatabase(), 'traces', rand())",
        "CREATE TABLE everywhere AS traces ENGINE = Distributed('two', currentDatabase(), 'traces', rand())",
        "CREATE TABLE merged AS traces ENGINE = Merge(currentDatabase(), '^tra')",
        "CREATE TABLE buffered AS traces ENGINE = Buffer(currentDatabase(), 'traces', 1, 10, 100, 10000, 1000000, 10000000, 100000000)",
        "CREATE TABLE unrelated AS traces ENGINE = Merge(currentDatabase(), '^nothing')",
        "CREATE MATERIALIZED VIEW of_merged REFRESH EVERY 1 YEAR APPEND ENGINE = MergeTree ORDER BY tuple() AS SELECT n FROM merged",
    ] {
        scene.execute(sql).await;
    }
    let found = scene.findings();
    assert_eq!(
        found.subjects("reads-through"),
        ["buffered", "everywhere", "here", "merged"]
    );
    assert_eq!(found.subjects("derived-table"), ["of_merged"]);
    assert_eq!(found.subjects("unlisted-table"), [""; 0], "none holds rows");
    assert_eq!(found.subjects("unlisted-shard"), ["everywhere"]);

    for table in [
        "of_merged",
        "here",
        "everywhere",
        "merged",
        "buffered",
        "unrelated",
    ] {
        scene.execute(&format!("DROP TABLE {table} SYNC")).await;
    }
    let mended = scene.findings();
    for code in ["reads-through", "derived-table", "unlisted-shard"] {
        assert_eq!(mended.subjects(code), [""; 0], "{code}");
    }
    drop(scene);
    drop(server);
}
