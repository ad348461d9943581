//! What `doctor` finds on a real server: each finding while its cause is there, and not after it
//! was mended.

mod ages;
mod lineage;
mod servers;

use serde_json::Value;

use super::{Scene, matches_snapshot};

impl Scene {
    /// What `doctor` finds, which must end with 0.
    fn findings(&self) -> Found {
        Found::of(&self.good(&["--format=json", "doctor"]).stdout)
    }
}

/// The findings of a run.
struct Found(Vec<Value>);

impl Found {
    fn of(stdout: &str) -> Self {
        let found = Self(serde_json::from_str(stdout).unwrap());
        for finding in &found.0 {
            // What programs rely on, whatever was found.
            let code = finding["code"].as_str().unwrap();
            assert_eq!(finding["page"], format!("docs/findings.md#{code}"));
            let is_ok = finding["severity"] == "ok";
            assert_eq!(finding["remedy"].is_null(), is_ok, "{finding}");
        }
        found
    }

    /// The subjects of the findings with this code that are not ok, in order.
    fn subjects(&self, code: &str) -> Vec<String> {
        let of_code = self.0.iter();
        let of_code = of_code.filter(|found| found["code"] == code && found["severity"] != "ok");
        let mut subjects: Vec<String> = of_code
            .map(|finding| finding["subject"].as_str().unwrap().to_owned())
            .collect();
        subjects.sort();
        subjects
    }

    /// Severity and message of the only finding with this code about this subject.
    fn only(&self, code: &str, subject: &str) -> (String, String) {
        let is_it = |found: &&Value| found["code"] == code && found["subject"] == subject;
        let found: Vec<&Value> = self.0.iter().filter(is_it).collect();
        let [finding] = found.as_slice() else {
            panic!("{} of {code} {subject} in {:#?}", found.len(), self.0);
        };
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        (text("severity"), text("message"))
    }
}

#[tokio::test]
async fn findings_are_grouped_and_the_worst_come_first() {
    let scene = Scene::new().await;
    scene
        .execute(
            "CREATE TABLE notes (workspace_id String) ENGINE = MergeTree ORDER BY workspace_id",
        )
        .await;
    scene
        .execute(
            "CREATE TABLE scores (workspace_id String, id String, at DateTime) \
             ENGINE = ReplacingMergeTree ORDER BY (workspace_id, id)",
        )
        .await;
    scene.targets(
        "  - {table: scores, workspace: workspace_id, age: {time: at}}\n  \
         - {table: traces, workspace: workspace_id, age: {uuid_v7: id}}\n",
    );
    let outcome = scene.run(&["doctor"]);
    assert_eq!(outcome.code, 2, "{}", outcome.transcript);
    let longest = outcome
        .stdout
        .lines()
        .map(|line| line.chars().count())
        .max();
    assert!(longest <= Some(100), "{}", outcome.stdout);
    matches_snapshot!("doctor", without_sizes(&outcome.transcript));
}

/// What the server's own logs hold differs from run to run.
pub fn without_sizes(transcript: &str) -> std::borrow::Cow<'_, str> {
    let logs = regex::Regex::new(r"(?s)without a TTL: .*? in all").unwrap();
    logs.replace_all(transcript, "without a TTL: <logs>")
}

/// Warnings do not fail, unless somebody asks for that.
#[tokio::test]
async fn strict_ends_with_two_where_there_is_a_warning() {
    let scene = Scene::new().await;
    scene.good(&["doctor", "--strict"]);
    scene
        .execute(
            "CREATE TABLE notes (workspace_id String) ENGINE = MergeTree ORDER BY workspace_id",
        )
        .await;
    scene.good(&["doctor"]);
    let strict = scene.run(&["doctor", "--strict"]);
    assert_eq!(strict.code, 2, "{}", strict.transcript);
}
