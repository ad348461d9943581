//! A directory with a configuration, a database with rows, and the binary that is run there.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clickhouse::Client;
use ebbtide::Embedded;
use tempfile::TempDir;

use crate::support::{PACE, TestDatabase};

/// Rows of `traces` that a retention of 60 days expires.
pub const N_OLD: u64 = 30;
/// Rows of `traces` that stay.
pub const N_YOUNG: u64 = 70;

/// The default configuration, but for its first and its last part.
const HEAD: &str = "\
version: 1
clickhouse:
  shards: [{url: \"URL\"}]
  database: DATABASE
  user: USER
  password_env: EBBTIDE_TEST_PASSWORD
";
const RETENTION: &str = "retention: {default: unlimited}\n";
const TARGETS: &str = "\
targets:
  - {table: traces, workspace: workspace_id, project: project_id, age: {uuid_v7: id}}
";

pub struct Scene {
    directory: TempDir,
    pub database: TestDatabase,
    client: Client,
}

/// How a run of the binary ended.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// Both as a transcript, with what differs from run to run replaced.
    pub transcript: String,
}

impl Scene {
    /// A database with `traces` of three workspaces and a migrated ledger.
    pub async fn new() -> Self {
        let scene = Self::on(TestDatabase::create().await).await;
        scene.good(&["migrate"]);
        scene
    }

    /// The same on a server of the test's own.
    pub async fn new_at(server: &Embedded) -> Self {
        let scene = Self::on(TestDatabase::create_at(server).await).await;
        scene.good(&["migrate"]);
        scene
    }

    /// Without a ledger.
    pub async fn without_ledger() -> Self {
        Self::on(TestDatabase::create().await).await
    }

    async fn on(database: TestDatabase) -> Self {
        let client = database.client();
        let scene = Self {
            directory: tempfile::tempdir().unwrap(),
            database,
            client,
        };
        scene.configure(RETENTION, TARGETS);
        scene
            .execute(
                "CREATE TABLE traces (workspace_id String, project_id String, id String, n UInt64) \
                 ENGINE = MergeTree ORDER BY (workspace_id, project_id, id)",
            )
            .await;
        scene.fill("traces", 100, N_OLD).await;
        scene.fill("traces", 1, N_YOUNG).await;
        scene
    }

    /// Adds rows of `w0`, `w1`, `w2` that are so many days old.
    pub async fn fill(&self, table: &str, age_days: u64, n_rows: u64) {
        let insert = format!(
            "INSERT INTO {table} (workspace_id, project_id, id, n) \
             SELECT concat('w', toString(number % 3)), concat('p', toString(number % 2)), \
             toString(dateTimeToUUIDv7(now() - toIntervalDay({age_days}) - toIntervalSecond(number))), \
             number \
             FROM numbers({n_rows})"
        );
        self.execute(&insert).await;
    }

    pub async fn execute(&self, sql: &str) {
        self.client.query(sql).execute().await.unwrap();
    }

    pub async fn count(&self, sql: &str) -> u64 {
        self.client.query(sql).fetch_one::<u64>().await.unwrap()
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The directory that the binary runs in.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes `config.yml` with these sections. Rules act at once, unless the section says otherwise.
    pub fn configure(&self, retention: &str, targets: &str) {
        let at_once = if retention.contains("approval:") {
            retention.to_owned()
        } else if retention.contains("retention: {") {
            retention.replacen("retention: {", "retention: {approval: none, ", 1)
        } else {
            format!("retention: {{approval: none}}\n{retention}")
        };
        let text = format!("{}{at_once}{targets}", self.head());
        self.write("config.yml", &text);
    }

    /// Only the targets.
    pub fn targets(&self, targets: &str) {
        self.configure(RETENTION, &format!("targets:\n{targets}"));
    }

    /// Only the section `retention`.
    pub fn retention(&self, retention: &str) {
        self.configure(retention, TARGETS);
    }

    /// Version, connection and pace.
    pub fn head(&self) -> String {
        let connection = HEAD
            .replace("URL", self.database.url())
            .replace("DATABASE", self.database.name())
            .replace("USER", self.database.user());
        connection + PACE
    }

    /// Runs the binary.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, &[], "")
    }

    /// The binary with these arguments, in this directory, with pipes for what it says.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ebbtide"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EBBTIDE_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.path())
            .env("EBBTIDE_TEST_PASSWORD", self.database.password())
            .env("USER", "tester")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the binary with variables and something on stdin.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Outcome {
        let mut child = self
            .command(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // A process that reads nothing may have closed the pipe.
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        let mut outcome = Outcome {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            transcript: String::new(),
        };
        outcome.transcript = self.transcript(arguments, &outcome);
        outcome
    }

    /// Runs the binary; fails the test unless it ends with 0.
    pub fn good(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.transcript);
        outcome
    }

    /// Runs the binary, which must end with this code and leave every row alone.
    pub async fn refused(&self, code: i32, arguments: &[&str]) -> Outcome {
        let before = self.count_rows().await;
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, code, "{}", outcome.transcript);
        assert_eq!(outcome.stdout, "", "an error says nothing on stdout");
        self.untouched(before).await;
        outcome
    }

    pub async fn count_rows(&self) -> u64 {
        self.count("SELECT count() FROM traces").await
    }

    /// Fails the test if a row has gone or a mutation was ever made.
    pub async fn untouched(&self, n_rows: u64) {
        assert_eq!(self.count_rows().await, n_rows);
        assert_eq!(self.n_mutations().await, 0);
    }

    pub async fn n_mutations(&self) -> u64 {
        self.count("SELECT count() FROM system.mutations WHERE database = currentDatabase()")
            .await
    }

    fn transcript(&self, arguments: &[&str], outcome: &Outcome) -> String {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=".contains(c);
                if !argument.is_empty() && argument.chars().all(plain) {
                    (*argument).to_owned()
                } else {
                    format!("{argument:?}")
                }
            })
            .collect();
        let mut text = format!("$ ebbtide {}\n", arguments.join(" "));
        for part in [&outcome.stdout, &outcome.stderr] {
            text.push_str(part);
            if !part.is_empty() && !part.ends_with('\n') {
                text.push('\n');
            }
        }
        writeln!(text, "[exit {}]", outcome.code).unwrap();
        let text = self.masked(&text);
        if text.contains("───") {
            narrow(&text)
        } else {
            text
        }
    }

    /// Replaces what differs from run to run.
    pub fn masked(&self, text: &str) -> String {
        let path = self.path().display().to_string();
        let text = text
            .replace(self.database.url(), "http://clickhouse:8123")
            .replace(self.database.name(), "analytics")
            .replace(&path, "/here");
        mask(&text)
    }
}

/// Replaces instants, days, ids, durations and ports.
pub fn mask(text: &str) -> String {
    use std::sync::LazyLock;

    static PATTERNS: LazyLock<Vec<(regex::Regex, &str)>> = LazyLock::new(|| {
        [
            // Parts merge when the server likes.
            (
                r"all \d+ parts, about \d+\.\d s",
                "all <parts> parts, about <time>",
            ),
            // How well a part packs depends on its ids.
            (r"\b\d+\.\d [KMGT]iB\b|\b\d+ bytes\b", "<bytes>"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<instant>"),
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                "<uuid>",
            ),
            (r"\b20\d\d-\d\d-\d\d\b", "<day>"),
            (r"\b[0-9a-f]{64}\b", "<digest>"),
            (r"\d+\.\d s\)", "<seconds> s)"),
            (r"ClickHouse \d+(\.\d+)+", "ClickHouse <version>"),
            (r"\d+\.\d{3} s\b", "<took>"),
            (r"tester@\S+, process \d+-[0-9a-f]{6}", "<holder>"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        ]
        .map(|(pattern, stands_for)| (regex::Regex::new(pattern).unwrap(), stands_for))
        .into()
    });
    PATTERNS
        .iter()
        .fold(text.to_owned(), |text, (pattern, stands_for)| {
            pattern.replace_all(&text, *stands_for).into_owned()
        })
}

/// Tables are as wide as what was masked in them.
fn narrow(text: &str) -> String {
    let gaps = regex::Regex::new(r"(\S) {3,}").unwrap();
    let rulers = regex::Regex::new("─{3,}").unwrap();
    rulers
        .replace_all(&gaps.replace_all(text, "$1   "), "───")
        .into_owned()
}
