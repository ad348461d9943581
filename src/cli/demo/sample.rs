//! The sample data: Opik-shaped tables, filled on the server, the same in every run but for the
//! instant that their ages are counted from.

use anyhow::Context as _;
use jiff::Timestamp;

use super::database::Database;
use super::doing::Doing;
use crate::cli::Format;
use crate::sql::sql;

/// So many traces the sample has, and about five times as many spans.
pub(in crate::cli) const N_TRACES: u64 = 300_000;

/// The directory of workspaces that the sample data are made for.
pub(super) const WORKSPACES: &str = include_str!("../../../fixtures/workspaces.csv");

/// A workspace with data that no directory knows: it has no organization, so nothing goes there.
pub(super) const STRANGER: &str = "walk-in";

const STATEMENTS: [(&str, &str); 13] = [
    ("creating traces", sql!("demo/schema/traces.sql")),
    ("creating spans", sql!("demo/schema/spans.sql")),
    (
        "creating feedback_scores",
        sql!("demo/schema/feedback_scores.sql"),
    ),
    (
        "creating authored_feedback_scores",
        sql!("demo/schema/authored_feedback_scores.sql"),
    ),
    ("creating comments", sql!("demo/schema/comments.sql")),
    (
        "creating experiment_items",
        sql!("demo/schema/experiment_items.sql"),
    ),
    ("generating traces", sql!("demo/generate/traces.sql")),
    ("generating spans", sql!("demo/generate/spans.sql")),
    (
        "generating feedback_scores",
        sql!("demo/generate/feedback_scores.sql"),
    ),
    (
        "generating authored_feedback_scores",
        sql!("demo/generate/authored_feedback_scores.sql"),
    ),
    ("generating comments", sql!("demo/generate/comments.sql")),
    (
        "generating experiment_items",
        sql!("demo/generate/experiment_items.sql"),
    ),
    // After all that is derived from traces, which would be doubled otherwise.
    (
        "generating second versions of traces",
        sql!("demo/generate/versions.sql"),
    ),
];

/// Creates the tables, which must not be there yet, and fills them.
pub(in crate::cli) async fn create(
    database: &Database,
    now: Timestamp,
    n_traces: u64,
    format: Format,
) -> anyhow::Result<()> {
    let directory = directory()?;
    let mut workspaces: Vec<&str> = directory.iter().map(|(name, _)| name.as_str()).collect();
    workspaces.push(STRANGER);
    let doing = Doing::new(format, STATEMENTS.len());
    for (what, statement) in STATEMENTS {
        doing.now(what);
        database
            .fill(statement, now, n_traces, &workspaces)
            .await
            .with_context(|| format!("{what} failed"))?;
    }
    Ok(())
}

/// Workspaces and their organizations.
pub(super) fn directory() -> anyhow::Result<Vec<(String, String)>> {
    let mut reader = csv::Reader::from_reader(WORKSPACES.as_bytes());
    let pairs = reader.deserialize().collect::<Result<_, _>>();
    pairs.context("the sample directory cannot be read")
}
