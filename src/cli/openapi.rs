//! `ebbtide openapi`

use super::{Exit, Output};

/// Prints the description of the API, which is JSON in either format.
pub(super) fn run(output: &mut Output) -> anyhow::Result<Exit> {
    let text = serde_json::to_string_pretty(&crate::http::description())?;
    output.line(&text)?;
    Ok(Exit::Done)
}
