//! Targets that do not fit the server: every problem is named with its remedy, nothing is deleted.

use super::{Scene, matches_snapshot};

const TRACES: &str =
    "  - {table: traces, workspace: workspace_id, project: project_id, age: {uuid_v7: id}}\n";

async fn check(scene: &Scene, name: &str, target: &str, transcript: &mut String) {
    scene.targets(target);
    let run = scene.refused(2, &["run"]).await;
    let plan = scene.refused(2, &["plan"]).await;
    assert_eq!(plan.stderr, run.stderr, "{name}");
    let doctor = scene.run(&["doctor"]);
    assert_eq!(doctor.code, 2, "{}", doctor.transcript);
    transcript.push_str(&format!("# {name}\n{}\n", run.transcript));
}

#[tokio::test]
async fn tables_and_columns_that_do_not_exist() {
    let scene = Scene::new().await;
    scene.execute("CREATE TABLE items (trace_id String, workspace_id String) ENGINE = MergeTree ORDER BY trace_id").await;
    let keep = |column: &str, table: &str, in_column: &str, in_workspace: &str| {
        format!(
            "  - {{table: traces, workspace: workspace_id, age: {{uuid_v7: id}}, keep: [{{column: \
             {column}, in_table: {table}, in_column: {in_column}, in_workspace: {in_workspace}}}]}}\n"
        )
    };
    let mut transcript = String::new();
    for (name, target) in [
        ("a table", "  - {table: trace, workspace: workspace_id, age: {uuid_v7: id}}\n".to_owned()),
        ("a table of another database", "  - {table: system.tables, workspace: workspace_id, age: {uuid_v7: id}}\n".into()),
        ("a name with a quote", "  - {table: \"tra`ces' OR 1\", workspace: workspace_id, age: {uuid_v7: id}}\n".into()),
        ("every column", "  - {table: traces, workspace: w, project: p, age: {uuid_v7: a}}\n".into()),
        ("an expression is no column", "  - {table: traces, workspace: lower(workspace_id), age: {uuid_v7: id}}\n".into()),
        ("two tables", "  - {table: one, workspace: w, age: {time: t}}\n  - {table: two, workspace: w, age: {time: t}}\n".into()),
        ("the column of a keep", keep("trace", "items", "trace_id", "workspace_id")),
        ("the table of a keep", keep("id", "itemz", "trace_id", "workspace_id")),
        ("the column in the table of a keep", keep("id", "items", "id", "workspace_id")),
        ("the workspace in the table of a keep", keep("id", "items", "trace_id", "tenant")),
    ] {
        check(&scene, name, &target, &mut transcript).await;
    }
    matches_snapshot!("targets_that_do_not_exist", transcript);
}

#[tokio::test]
async fn types_that_have_no_age_and_types_that_name_nobody() {
    let scene = Scene::new().await;
    scene
        .execute(
            "CREATE TABLE odd (w String, text String, number UInt64, fixed FixedString(16), \
             stamp DateTime, float Float64, array Array(String), day Date) \
             ENGINE = MergeTree ORDER BY w",
        )
        .await;
    let mut transcript = String::new();
    for (name, age, workspace) in [
        ("uuid_v7 on DateTime", "{uuid_v7: stamp}", "w"),
        ("uuid_v7 on Date", "{uuid_v7: day}", "w"),
        ("uuid_v7 on UInt64", "{uuid_v7: number}", "w"),
        ("uuid_v7 on FixedString(16)", "{uuid_v7: fixed}", "w"),
        ("time on String", "{time: text}", "w"),
        ("time on UInt64", "{time: number}", "w"),
        ("time on Array", "{time: array}", "w"),
        ("a workspace that is a Float64", "{time: stamp}", "float"),
    ] {
        let target = format!("  - {{table: odd, workspace: {workspace}, age: {age}}}\n");
        check(&scene, name, &target, &mut transcript).await;
    }
    matches_snapshot!("targets_without_age", transcript);
}

#[tokio::test]
async fn engines_without_lightweight_deletes() {
    let scene = Scene::new().await;
    for (table, engine) in [("memory", "Memory"), ("log", "Log")] {
        scene
            .execute(&format!(
                "CREATE TABLE {table} (workspace_id String, id String) ENGINE = {engine}"
            ))
            .await;
    }
    scene
        .execute("CREATE VIEW view AS SELECT * FROM traces")
        .await;
    scene
        .execute("CREATE MATERIALIZED VIEW materialised ENGINE = MergeTree ORDER BY id AS SELECT * FROM traces")
        .await;
    let mut transcript = String::new();
    for table in ["memory", "log", "view", "materialised"] {
        let target =
            format!("  - {{table: {table}, workspace: workspace_id, age: {{uuid_v7: id}}}}\n");
        check(&scene, table, &target, &mut transcript).await;
    }
    matches_snapshot!("targets_of_other_engines", transcript);
}

/// Deleting some versions of a row would bring an older one back.
#[tokio::test]
async fn engines_that_merge_rows_want_every_column_in_the_sorting_key() {
    let scene = Scene::new().await;
    for engine in [
        "ReplacingMergeTree(version)",
        "SummingMergeTree",
        "AggregatingMergeTree",
    ] {
        let table = engine.split('(').next().unwrap();
        scene
            .execute(&format!(
                "CREATE TABLE {table} (w String, p String, id String, at DateTime, version UInt32) \
                 ENGINE = {engine} ORDER BY (w, id)"
            ))
            .await;
    }
    scene
        .execute("CREATE TABLE items (w String, k String) ENGINE = MergeTree ORDER BY w")
        .await;
    let mut transcript = String::new();
    for (name, target) in [
        (
            "the age is outside",
            "{table: ReplacingMergeTree, workspace: w, age: {time: at}}",
        ),
        (
            "the project is outside",
            "{table: ReplacingMergeTree, workspace: w, project: p, age: {uuid_v7: id}}",
        ),
        (
            "the workspace is outside",
            "{table: ReplacingMergeTree, workspace: p, age: {uuid_v7: id}}",
        ),
        (
            "the key of a keep is outside",
            "{table: ReplacingMergeTree, workspace: w, age: {uuid_v7: id}, keep: [{column: p, in_table: items, in_column: k, in_workspace: w}]}",
        ),
        (
            "sums",
            "{table: SummingMergeTree, workspace: w, age: {time: at}}",
        ),
        (
            "states",
            "{table: AggregatingMergeTree, workspace: w, age: {time: at}}",
        ),
    ] {
        check(&scene, name, &format!("  - {target}\n"), &mut transcript).await;
    }
    scene.targets("  - {table: ReplacingMergeTree, workspace: w, age: {uuid_v7: id}}\n");
    scene.good(&["run"]);
    matches_snapshot!("targets_that_merge_rows", transcript);
}

/// No decision, a decision that the table itself does not know yet, and both together, which works.
#[tokio::test]
async fn projections_want_a_decision_and_the_setting_of_the_table() {
    let scene = Scene::new().await;
    let mut transcript = String::new();
    for mode in ["drop", "rebuild"] {
        let table = format!("with_{mode}");
        scene
            .execute(&format!(
                "CREATE TABLE {table} (workspace_id String, project_id String, id String, n UInt64, \
                 PROJECTION by_n (SELECT n, count() GROUP BY n)) ENGINE = MergeTree ORDER BY (workspace_id, id)"
            ))
            .await;
        scene.fill(&table, 100, 30).await;
        scene.fill(&table, 1, 70).await;
        let target = |decision: &str| {
            format!(
                "  - {{table: {table}, workspace: workspace_id, age: {{uuid_v7: id}}{decision}}}\n"
            )
        };
        let decision = format!(", projections: {mode}");
        check(&scene, "no decision", &target(""), &mut transcript).await;
        check(&scene, "no setting", &target(&decision), &mut transcript).await;
        let other = if mode == "drop" { "rebuild" } else { "drop" };
        let setting = "lightweight_mutation_projection_mode";
        scene
            .execute(&format!(
                "ALTER TABLE {table} MODIFY SETTING {setting} = '{other}'"
            ))
            .await;
        check(
            &scene,
            "the other setting",
            &target(&decision),
            &mut transcript,
        )
        .await;
        scene
            .execute(&format!(
                "ALTER TABLE {table} MODIFY SETTING {setting} = '{mode}'"
            ))
            .await;
        scene.configure(
            "retention: {default: 60d}\n",
            &format!("targets:\n{}", target(&decision)),
        );
        let n_mutations = scene.n_mutations().await;
        scene.good(&["run"]);
        assert_eq!(scene.n_mutations().await, n_mutations + 1);
        assert_eq!(
            scene.count(&format!("SELECT count() FROM {table}")).await,
            70
        );
        scene.execute(&format!("DROP TABLE {table} SYNC")).await;
        scene.retention("retention: {default: unlimited}\n");
    }
    matches_snapshot!("targets_with_projections", transcript);
}

/// A project rule and a target without project column: refused when it is made. Where it is in the
/// ledger already, its workspace is left alone.
#[tokio::test]
async fn a_project_rule_wants_a_project_column_in_every_target() {
    let scene = Scene::new().await;
    scene
        .execute(
            "CREATE TABLE flat (workspace_id String, id String) ENGINE = MergeTree ORDER BY id",
        )
        .await;
    let both =
        format!("  - {{table: flat, workspace: workspace_id, age: {{uuid_v7: id}}}}\n{TRACES}");
    let rule = [
        "rules",
        "add",
        "--workspace",
        "w1",
        "--project",
        "p1",
        "--retention",
        "7d",
    ];
    scene.targets(&both);
    let mut transcript = scene.refused(2, &rule).await.transcript;
    scene.write(
        "rules.yml",
        "- {workspace: w1, retention: 7d}\n- {workspace: w1, project: p1, retention: 7d}\n",
    );
    transcript += &scene
        .refused(2, &["rules", "import", "rules.yml"])
        .await
        .transcript;
    assert_eq!(scene.good(&["rules", "export"]).stdout, "");

    scene.targets(TRACES);
    scene.good(&rule);
    scene.targets(&both);
    // Whoever made the rule must not stop everybody: only that workspace is left alone.
    let run = scene.run(&["run"]);
    assert_eq!(run.code, 1, "{}", run.transcript);
    assert_eq!(scene.run(&["plan"]).code, 1);
    assert_eq!(scene.run(&["doctor"]).code, 2);
    transcript += &run.transcript;
    matches_snapshot!("targets_without_project", transcript);
}
