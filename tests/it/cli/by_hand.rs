//! What is left to a person: the plan and the run say it, and what to do.

use ebbtide::Embedded;
use serde_json::Value;

use super::Scene;
use crate::support::embedded_options;

const TARGETS: &str = "\
targets:
  - {table: by_month, workspace: w, age: {time: at}}
  - {table: by_name, workspace: w, age: {time: at}}
";

/// A month in which all is expired, and a workspace of which nearly all is.
async fn fill(scene: &Scene) {
    for (table, at, n_rows) in [
        ("by_month", "toDateTime('2025-01-10', 'UTC')", 100),
        ("by_name", "toDateTime('2025-01-10', 'UTC')", 19),
        ("by_name", "now()", 1),
    ] {
        scene
            .execute(&format!(
                "INSERT INTO {table} SELECT 'w1', {at}, number FROM numbers({n_rows})"
            ))
            .await;
    }
}

/// The tables of what is left to a person.
fn tables(of: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(of).unwrap();
    let left = value["by_hand"].as_array().into_iter().flatten();
    left.map(|left| left["table"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn partitions_that_are_too_large_to_drop_are_masked_and_left_to_a_person() {
    let mut options = embedded_options();
    options.config_xml = "<max_partition_size_to_drop>100</max_partition_size_to_drop>".into();
    let server = Embedded::start(options).unwrap();
    let scene = Scene::new_at(&server).await;
    for (table, key) in [("by_month", "toYYYYMM(at)"), ("by_name", "w")] {
        scene
            .execute(&format!(
                "CREATE TABLE {table} (w String, at DateTime('UTC'), n UInt64) \
                 ENGINE = MergeTree PARTITION BY {key} ORDER BY n"
            ))
            .await;
    }
    fill(&scene).await;
    let retention = "retention: {default: 60d, max_share_of_table: 1.0}\n";
    scene.configure(retention, TARGETS);

    let plan = scene.good(&["--format=json", "plan"]);
    assert_eq!(tables(&plan.stdout), ["by_month", "by_name"]);
    let of_month = "left to you: by_month: every row of 202501 is expired for everybody, but each is \
                    larger than max_partition_size_to_drop (100 bytes): its rows are masked instead; \
                    raise the setting for this user, or drop it by hand\n";
    for verb in ["plan", "run"] {
        let said = scene.good(&[verb]);
        assert!(said.stdout.contains(of_month), "{}", said.transcript);
        let why = "no partition goes whole: each is larger than max_partition_size_to_drop";
        let is_said = said.stdout.contains(why);
        assert_eq!(is_said, verb == "plan", "{}", said.transcript);
        let mut lines = said.stdout.lines();
        let of_name = lines.find(|line| line.starts_with("left to you: by_name: "));
        let of_name = of_name.unwrap_or_else(|| panic!("{}", said.transcript));
        assert!(of_name.contains("nearly all rows of"), "{of_name}");
        // It also holds a row that should stay.
        assert!(!of_name.contains("drop it by hand"), "{of_name}");
    }
    assert_eq!(scene.count("SELECT count() FROM by_month").await, 0);
    assert_eq!(scene.count("SELECT count() FROM by_name").await, 1);

    fill(&scene).await;
    for expected in [&["by_month"][..], &[]] {
        let ran = scene.good(&["--format=json", "run"]);
        assert_eq!(tables(&ran.stdout), expected, "{}", ran.transcript);
    }
    assert_eq!(scene.count("SELECT count() FROM by_month").await, 0);
}
