//! Limits of a server, its own logs, and what a user is not allowed to read.

use ebbtide::{Embedded, EmbeddedUser};

use super::super::Scene;
use super::Found;
use crate::support::embedded_options;

const PASSWORD: &str = "secret";

#[tokio::test]
async fn engines_that_merge_rows_and_undecided_projections_have_codes_of_their_own() {
    let scene = Scene::new().await;
    for sql in [
        "CREATE TABLE replaced (workspace_id String, id String, at DateTime) ENGINE = ReplacingMergeTree ORDER BY (workspace_id, id)",
        "CREATE TABLE projected (workspace_id String, id String, PROJECTION p (SELECT workspace_id, count() GROUP BY workspace_id)) \
         ENGINE = MergeTree ORDER BY id",
    ] {
        scene.execute(sql).await;
    }
    let targets = |age: &str, projections: &str| {
        format!(
            "  - {{table: replaced, workspace: workspace_id, age: {age}}}\n  \
             - {{table: projected, workspace: workspace_id, age: {{uuid_v7: id}}{projections}}}\n  \
             - {{table: traces, workspace: workspace_id, age: {{uuid_v7: id}}}}\n"
        )
    };
    scene.targets(&targets("{time: at}", ""));
    let outcome = scene.run(&["--format=json", "doctor"]);
    assert_eq!(outcome.code, 2, "{}", outcome.transcript);
    let found = Found::of(&outcome.stdout);
    assert_eq!(found.subjects("replacing-merge-tree"), ["replaced"]);
    assert_eq!(found.subjects("projections"), ["projected"]);
    assert_eq!(found.subjects("target"), [""; 0]);

    scene
        .execute(
            "ALTER TABLE projected MODIFY SETTING lightweight_mutation_projection_mode = 'drop'",
        )
        .await;
    scene.targets(&targets("{uuid_v7: id}", ", projections: drop"));
    let mended = scene.findings();
    assert_eq!(mended.subjects("replacing-merge-tree"), [""; 0]);
    assert_eq!(mended.subjects("projections"), [""; 0]);
}

#[tokio::test]
async fn tables_without_block_numbers_and_with_many_mutations() {
    let scene = Scene::new().await;
    let found = scene.findings();
    assert_eq!(found.only("no-block-numbers", "traces").0, "info");
    assert_eq!(found.subjects("mutation-limit"), [""; 0]);

    let alter = "ALTER TABLE traces MODIFY SETTING";
    scene
        .execute(&format!(
            "{alter} enable_block_number_column = 1, enable_block_offset_column = 1, \
             number_of_mutations_to_throw = 4"
        ))
        .await;
    scene.execute("SYSTEM STOP MERGES traces").await;
    for n in 0..2 {
        scene
            .execute(&format!(
                "ALTER TABLE traces DELETE WHERE n = {n} SETTINGS mutations_sync = 0"
            ))
            .await;
    }
    let found = scene.findings();
    assert_eq!(found.subjects("no-block-numbers"), [""; 0]);
    let (severity, message) = found.only("mutation-limit", "traces");
    assert_eq!(severity, "warning");
    assert!(
        message.contains("2 unfinished mutations; from 4 on (number_of_mutations_to_throw)"),
        "{message}"
    );
    scene.execute("SYSTEM START MERGES traces").await;
    // Waits for those before it, too.
    scene
        .execute("ALTER TABLE traces DELETE WHERE n = 3 SETTINGS mutations_sync = 1")
        .await;
    assert_eq!(scene.findings().subjects("mutation-limit"), [""; 0]);
}

/// On a server of its own, since its defaults are everybody's. Patches prove that they are in force.
#[tokio::test]
async fn a_table_is_set_by_itself_or_by_the_server() {
    let mut options = embedded_options();
    options.config_xml = "<merge_tree><enable_block_number_column>1</enable_block_number_column>\
                          <enable_block_offset_column>true</enable_block_offset_column></merge_tree>"
        .into();
    let server = Embedded::start(options).unwrap();
    let scene = Scene::new_at(&server).await;
    for (table, settings) in [
        (
            "told",
            "SETTINGS enable_block_number_column = true, enable_block_offset_column = true",
        ),
        ("without", "SETTINGS enable_block_number_column = false"),
    ] {
        scene
            .execute(&format!(
                "CREATE TABLE {table} AS traces ENGINE = MergeTree ORDER BY id {settings}"
            ))
            .await;
        scene.fill(table, 100, 30).await;
    }
    let target = |table: &str| {
        format!(
            "  - {{table: {table}, workspace: workspace_id, age: {{uuid_v7: id}}, method: patch}}\n"
        )
    };
    let pace = |more: &str| {
        let targets = [target("told"), target("traces")].concat();
        scene.configure(
            "retention: {default: 60d, max_share_of_table: 1.0}\n",
            &format!("targets:\n{targets}{more}"),
        );
    };
    pace(&target("without"));
    let outcome = scene.run(&["--format=json", "doctor"]);
    assert_eq!(outcome.code, 2, "{}", outcome.transcript);
    assert!(
        outcome.stdout.contains("the config says method: patch"),
        "{}",
        outcome.stdout
    );
    let found = Found::of(&outcome.stdout);
    assert_eq!(found.subjects("no-block-numbers"), ["without"]);
    assert_eq!(found.subjects("target"), ["without"]);

    pace("");
    let found = scene.findings();
    assert_eq!(found.subjects("no-block-numbers"), [""; 0]);
    scene.good(&["run"]);
    for table in ["told", "traces"] {
        let old = format!(
            "SELECT count() FROM {table} WHERE id < toString(dateTimeToUUIDv7(now() - toIntervalDay(61)))"
        );
        assert_eq!(scene.count(&old).await, 0, "{table}");
    }
    assert_eq!(scene.n_mutations().await, 0);
    drop(scene);
    drop(server);
}

/// What a mutation does in the background is not what its statement does.
#[tokio::test]
async fn mutations_of_no_workload_are_told_until_the_table_has_one() {
    let scene = Scene::new().await;
    let code = "mutation-workload";
    assert_eq!(
        scene.findings().subjects(code),
        [""; 0],
        "nobody asked for one"
    );
    let config = scene.path().join("config.yml");
    let text = std::fs::read_to_string(&config).unwrap();
    let with_workload = text.replacen("pace: {", "pace: {workload: retention, ", 1);
    assert_ne!(with_workload, text);
    scene.write("config.yml", &with_workload);
    let (severity, message) = scene.findings().only(code, "traces");
    assert_eq!(severity, "info");
    assert!(message.contains("as retention is"), "{message}");
    scene
        .execute("ALTER TABLE traces MODIFY SETTING mutation_workload = 'retention'")
        .await;
    assert_eq!(scene.findings().subjects(code), [""; 0]);
}

/// The limit of a user holds, whatever that of the server is.
#[tokio::test]
async fn a_partition_that_the_user_may_not_drop_is_told() {
    let mut options = embedded_options();
    options.users = [("few", "100"), ("any", "0")]
        .map(|(name, most)| EmbeddedUser {
            name: name.into(),
            password: PASSWORD.into(),
            grants: vec![],
            profile_xml: format!("<max_partition_size_to_drop>{most}</max_partition_size_to_drop>"),
            databases_xml: String::new(),
        })
        .into();
    options.config_xml = "<max_partition_size_to_drop>200</max_partition_size_to_drop>".into();
    let server = Embedded::start(options).unwrap();
    let scene = Scene::new_at(&server).await;
    for sql in [
        "CREATE TABLE parted AS traces ENGINE = MergeTree PARTITION BY workspace_id ORDER BY id",
        "INSERT INTO parted SELECT * FROM traces",
    ] {
        scene.execute(sql).await;
    }
    scene.targets("  - {table: parted, workspace: workspace_id, age: {uuid_v7: id}}\n");
    scene.write("secret", PASSWORD);
    let text = std::fs::read_to_string(scene.path().join("config.yml")).unwrap();
    let told = |user: &str| {
        let text = text
            .replace(
                &format!("user: {}", scene.database.user()),
                &format!("user: {user}"),
            )
            .replace(
                "password_env: EBBTIDE_TEST_PASSWORD",
                "password_file: secret",
            );
        scene.write("config.yml", &text);
        scene.findings()
    };
    assert_eq!(told("any").subjects("drop-limit"), [""; 0]);
    let (severity, message) = told("few").only("drop-limit", "parted");
    assert_eq!(severity, "warning");
    assert!(
        message.contains("this user may drop none above 100 B"),
        "{message}"
    );
    drop(scene);
    drop(server);
}

/// On a server of its own, since its logs and limits are everybody's.
#[tokio::test]
async fn logs_without_a_ttl_and_partitions_that_are_too_large_to_drop() {
    let mut options = embedded_options();
    options.config_xml = "<max_partition_size_to_drop>100</max_partition_size_to_drop>".into();
    let server = Embedded::start(options).unwrap();
    let scene = Scene::new_at(&server).await;
    scene.execute("SYSTEM FLUSH LOGS").await;
    let found = scene.findings();
    let name = scene.database.url();
    let (severity, message) = found.only("system-log-without-ttl", name);
    assert_eq!(severity, "info", "it holds little");
    assert!(message.contains("query_log "), "{message}");
    assert_eq!(found.subjects("old-system-log"), [""; 0]);
    assert_eq!(
        found.subjects("drop-limit"),
        [""; 0],
        "it has no partitions"
    );

    for sql in [
        "CREATE TABLE system.query_log_0 AS system.query_log",
        "CREATE TABLE parted AS traces ENGINE = MergeTree PARTITION BY workspace_id ORDER BY id",
        "INSERT INTO parted SELECT * FROM traces",
    ] {
        scene.execute(sql).await;
    }
    let target = "  - {table: parted, workspace: workspace_id, age: {uuid_v7: id}}\n";
    scene.targets(target);
    let found = scene.findings();
    assert_eq!(found.subjects("old-system-log"), [name]);
    let (severity, message) = found.only("drop-limit", "parted");
    assert_eq!(severity, "warning");
    assert!(message.contains("drops none above 100 B"), "{message}");

    // Each log, old or not, that has a TTL is silent.
    let logs: Vec<String> = scene
        .client()
        .query("SELECT name FROM system.tables WHERE database = 'system' AND (endsWith(name, '_log') OR endsWith(name, '_log_0')) AND engine = 'MergeTree'")
        .fetch_all()
        .await
        .unwrap();
    for log in logs {
        let sql = format!("ALTER TABLE system.{log} MODIFY TTL event_date + toIntervalDay(30)");
        scene.execute(&sql).await;
    }
    // The finding is right: the server refuses.
    let dropping = scene
        .client()
        .query("ALTER TABLE parted DROP PARTITION 'w1'");
    let refused = dropping.execute().await.unwrap_err().to_string();
    assert!(
        refused.contains("TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT"),
        "{refused}"
    );
    for sql in [
        "DROP TABLE parted SYNC",
        "CREATE TABLE parted AS traces ENGINE = MergeTree ORDER BY id",
        "INSERT INTO parted SELECT * FROM traces",
    ] {
        scene.execute(sql).await;
    }
    let mended = scene.findings();
    for code in ["system-log-without-ttl", "old-system-log", "drop-limit"] {
        assert_eq!(mended.subjects(code), [""; 0], "{code}");
    }
    drop(scene);
    drop(server);
}

/// What is denied is named with its grant, and everything else is looked at.
#[tokio::test]
async fn a_denied_system_table_is_named_and_the_other_checks_go_on() {
    let needed = ["mutations", "parts", "processes", "projections"]
        .map(|table| format!("GRANT SELECT ON system.{table}"));
    let user = |name: &str, more: &[&str]| EmbeddedUser {
        name: name.into(),
        password: PASSWORD.into(),
        grants: needed
            .iter()
            .cloned()
            .chain(more.iter().map(ToString::to_string))
            .collect(),
        profile_xml: String::new(),
        databases_xml: String::new(),
    };
    let of_tables = "GRANT SELECT, ALTER DELETE ON *.*";
    let mut options = embedded_options();
    let few = [
        "GRANT SELECT, ALTER DELETE ON default.*",
        // What the engine itself needs.
        "GRANT SELECT ON system.disks",
        "GRANT SELECT ON system.merge_tree_settings",
        "GRANT SELECT ON system.metrics",
        "GRANT SELECT ON system.replicas",
        "GRANT SELECT ON system.storage_policies",
    ];
    options.users = vec![user("few", &few), user("many", &[of_tables])];
    let server = Embedded::start(options).unwrap();
    let scene = Scene::new_at(&server).await;
    for sql in [
        "CREATE TABLE default.traces AS traces ENGINE = MergeTree PARTITION BY workspace_id ORDER BY id",
        "INSERT INTO default.traces SELECT * FROM traces",
        "INSERT INTO default.traces (workspace_id, id) VALUES ('w', 'none')",
    ] {
        scene.execute(sql).await;
    }
    let log_in = |user: &str| {
        let head = scene
            .head()
            .replace("user: default", &format!("user: {user}"));
        let head = head.replace(scene.database.name(), "default");
        let head = head.replace(
            "password_env: EBBTIDE_TEST_PASSWORD",
            "password_file: secret",
        );
        scene.write("secret", PASSWORD);
        scene.write(
            "config.yml",
            &format!(
                "{head}retention: {{approval: none}}\ntargets: [{{table: traces, workspace: \
                 workspace_id, age: {{uuid_v7: id}}}}]\nunmanaged: [elsewhere]\n"
            ),
        );
    };
    log_in("few");
    let outcome = scene.good(&["--format=json", "doctor"]);
    let found = Found::of(&outcome.stdout);
    let name = scene.database.url();
    assert_eq!(found.subjects("hidden-tables"), [name]);
    let denied: Vec<&serde_json::Value> = found
        .0
        .iter()
        .filter(|finding| finding["code"] == "missing-grant")
        .collect();
    assert!(!denied.is_empty(), "{}", outcome.stdout);
    for finding in denied {
        assert_eq!(finding["severity"], "warning");
        let remedy = finding["remedy"].as_str().unwrap();
        assert!(remedy.starts_with("GRANT SELECT ON system."), "{remedy}");
    }
    assert_eq!(
        found.subjects("not-version-7"),
        ["traces"],
        "looked at all the same"
    );
    // Nobody knows whether it is not there, or only hidden.
    assert_eq!(found.only("unknown-table", "elsewhere").0, "warning");

    log_in("many");
    let outcome = scene.run(&["--format=json", "doctor"]);
    let found = Found::of(&outcome.stdout);
    assert_eq!(found.subjects("hidden-tables"), [""; 0]);
    assert_eq!(found.subjects("missing-grant"), [""; 0]);
    assert_eq!(found.only("unknown-table", "elsewhere").0, "error");
    scene.execute("DROP TABLE default.traces SYNC").await;
    drop(scene);
    drop(server);
}
