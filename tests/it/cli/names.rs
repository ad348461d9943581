//! Names are arbitrary text. Each of these works, from the file with the rules to the rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clickhouse::Row;
use serde::Deserialize;

use super::Scene;

/// Rows of each name: one for each of the last days.
const N_DAYS: u64 = 60;

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        " ",
        "w",
        "w1",
        "w10",
        "w1 ",
        " w1",
        "W1",
        "it's",
        "''",
        "say \"hi\"",
        "back\\slash",
        "\\",
        "\\'",
        "nul\0nul",
        "\0",
        "nul\0",
        "🦀",
        "e\u{301}",
        "\u{e9}",
        "\u{202e}rtl",
        "\u{feff}bom",
        "~",
        "zz-not-hex",
        "line\nbreak",
        "tab\t",
        "cr\r",
        "\u{1b}[31m",
        "\u{7f}",
        "?",
        "??",
        "{x:String}",
        "*/",
        "/*",
        "--",
        "-- x",
        "; DROP TABLE traces",
        "') OR 1 = 1 --",
        "%",
        "_",
        "`",
        "$1",
        "null",
        "NULL",
        "true",
        "1e3",
        "0x10",
        "007",
        "7",
        "#",
        "- a",
        "{}",
        "[]",
        "a,b",
        "a: b",
        "&a",
        "*a",
        "!a",
        "\u{85}",
        "\u{2028}",
    ]
    .map(str::to_owned)
    .into();
    names.push("long".repeat(125));
    names.push("🦀'\\".repeat(100));
    names
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02X}").unwrap();
        hex
    })
}

/// A double-quoted YAML scalar, which JSON is too.
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).unwrap();
    json.replace('\u{7f}', "\\u007f")
        .replace('\u{85}', "\\u0085")
        .replace('\u{feff}', "\\ufeff")
        .replace('\u{2028}', "\\u2028")
}

#[derive(Row, Deserialize)]
struct Left {
    name: String,
    n_rows: u64,
    oldest: u64,
}

struct Names {
    scene: Scene,
    names: Vec<String>,
}

impl Names {
    /// A table with a row per day and name, in the column `workspace_id` or `project_id`.
    async fn new(in_column: &str) -> Self {
        let scene = Scene::new().await;
        scene.execute("TRUNCATE TABLE traces").await;
        let names = names();
        let literals: Vec<_> = names
            .iter()
            .map(|name| format!("'{}'", hex(name)))
            .collect();
        let other = if in_column == "workspace_id" {
            "project_id"
        } else {
            "workspace_id"
        };
        scene
            .execute(&format!(
                "INSERT INTO traces ({in_column}, {other}, id, n) \
                 SELECT unhex(name), 'w', toString(dateTimeToUUIDv7(toStartOfDay(now('UTC')) \
                 - toIntervalDay(number + 1) + toIntervalHour(12))), number + 1 \
                 FROM (SELECT arrayJoin([{}]) AS name) AS names CROSS JOIN numbers({N_DAYS}) AS days",
                literals.join(", ")
            ))
            .await;
        Self { scene, names }
    }

    /// Runs a cycle; the rows of each name that are older than its retention must be gone.
    async fn check(&self, in_column: &str, retention_of: impl Fn(u64) -> u64) {
        let export = self.scene.good(&["rules", "export"]).stdout;
        self.scene.good(&["run", "--max-share-of-table=1"]);
        let left = format!(
            "SELECT hex({in_column}) AS name, count() AS n_rows, max(n) AS oldest FROM traces GROUP BY name"
        );
        let left = self
            .scene
            .client()
            .query(&left)
            .fetch_all::<Left>()
            .await
            .unwrap();
        let found: BTreeMap<_, _> = left
            .into_iter()
            .map(|row| (row.name, (row.n_rows, row.oldest)))
            .collect();
        let expected: BTreeMap<_, _> = (0..)
            .zip(&self.names)
            .map(|(n, name)| (hex(name), (retention_of(n), retention_of(n))))
            .collect();
        assert_eq!(found, expected, "{export}");
        assert_eq!(
            self.scene.n_mutations().await,
            1,
            "one statement for all of them"
        );
        let again = self.scene.good(&["run"]);
        assert!(again.stdout.contains("nothing was due"), "{}", again.stdout);
    }

    fn import(&self, rule: impl Fn(u64, &str) -> String) {
        let lines = (0..)
            .zip(&self.names)
            .map(|(n, name)| rule(n, &quoted(name)));
        self.scene.write("rules.yml", &lines.collect::<String>());
        self.scene.good(&["rules", "import", "rules.yml"]);
    }
}

/// Each with its own retention, so that a bound that went to the wrong name shows.
async fn check_workspaces(retention_of: impl Fn(u64) -> u64 + Copy, shape: &str) {
    let names = Names::new("workspace_id").await;
    names.import(|n, name| format!("- {{workspace: {name}, retention: {}d}}\n", retention_of(n)));
    let plan = names.scene.run(&["plan", "--sql", "--format=json"]).stdout;
    assert!(plan.contains(&format!("\"shape\": \"{shape}\"")), "{plan}");
    names.check("workspace_id", retention_of).await;
}

#[tokio::test]
async fn odd_workspaces_in_a_lookup() {
    check_workspaces(|n| 1 + (n * 7) % 59, "lookup").await;
}

#[tokio::test]
async fn odd_workspaces_in_or_clauses() {
    check_workspaces(|n| 10 + (n % 7), "or").await;
}

#[tokio::test]
async fn odd_workspaces_in_one_list() {
    check_workspaces(|_| 30, "in").await;
}

#[tokio::test]
async fn odd_projects() {
    let retention_of = |n: u64| 1 + (n * 7) % 59;
    let names = Names::new("project_id").await;
    names.import(|n, name| {
        format!(
            "- {{workspace: w, project: {name}, retention: {}d}}\n",
            retention_of(n)
        )
    });
    names.check("project_id", retention_of).await;
}

/// Workspaces and organizations of these names, by CSV; the rules are those of the organizations.
#[tokio::test]
async fn odd_organizations() {
    let retention_of = |n: u64| 1 + (n * 7) % 59;
    let names = Names::new("workspace_id").await;
    let mut csv = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(vec![]);
    csv.write_record(["workspace", "organization"]).unwrap();
    for (workspace, organization) in names.names.iter().zip(names.names.iter().cycle().skip(5)) {
        csv.write_record([workspace, organization]).unwrap();
    }
    let csv = String::from_utf8(csv.into_inner().unwrap()).unwrap();
    names.scene.write("workspaces.csv", &csv);
    names
        .scene
        .good(&["workspaces", "import", "workspaces.csv"]);
    names.import(|n, name| {
        let n_names = u64::try_from(names.names.len()).unwrap();
        let workspace = (n + n_names - 5) % n_names;
        format!(
            "- {{organization: {name}, retention: {}d}}\n",
            retention_of(workspace)
        )
    });
    names.check("workspace_id", retention_of).await;
}

/// What the arguments of a process can hold (anything but NUL) does by arguments, too.
#[tokio::test]
async fn odd_names_as_arguments() {
    let scene = Scene::new().await;
    let names: Vec<_> = names()
        .into_iter()
        .filter(|name| !name.contains('\0'))
        .collect();
    for name in names.iter().take(40) {
        let workspace = format!("--workspace={name}");
        scene.good(&["rules", "add", &workspace, "--retention=7d"]);
        let explained = scene.good(&["--format=json", "explain", &workspace]).stdout;
        let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
        assert_eq!(
            (&explained["workspace"], &explained["retention"]),
            (&name.as_str().into(), &"7d".into())
        );
    }
    let list = scene.good(&["--format=json", "rules", "list"]).stdout;
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
    let listed: Vec<_> = list
        .iter()
        .map(|rule| rule["workspace"].as_str().unwrap())
        .collect();
    assert_eq!(listed, names[..40]);
    // For people they are quoted, so that none can move the cursor or look like another.
    let text = scene.good(&["rules", "list"]).stdout;
    assert!(
        !text.contains('\u{1b}') && text.contains("\\u{1b}"),
        "{text}"
    );
}
