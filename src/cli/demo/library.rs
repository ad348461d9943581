//! The embedded server for verbs: its library, fetched if need be, and its start.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::{Format, progress};
use crate::embedded::{Embedded, EmbeddedOptions, FetchPhase, FetchProgress, ensure_libchdb};

/// Where the engine comes from.
#[derive(Debug, clap::Args)]
pub struct Library {
    /// A libchdb.so to use; without one it is fetched once, by npm, into the user's cache.
    #[arg(long, value_name = "PATH", env = "EBBTIDE_LIBCHDB")]
    pub libchdb: Option<PathBuf>,
}

impl Library {
    /// The library, fetched now if it is not there yet.
    pub(in crate::cli) async fn ensure(&self, format: Format) -> anyhow::Result<PathBuf> {
        let explicit = self.libchdb.clone();
        let ensure = move || {
            let mut talk = talk(format);
            ensure_libchdb(explicit.as_deref(), &mut talk)
        };
        Ok(tokio::task::spawn_blocking(ensure).await??)
    }
}

/// Starts a server, off the runtime: it blocks for a second.
pub(in crate::cli) async fn start(options: EmbeddedOptions) -> anyhow::Result<Embedded> {
    let started = tokio::task::spawn_blocking(|| Embedded::start(options)).await?;
    started.context("the embedded ClickHouse did not start")
}

/// A bar on a terminal; elsewhere a line for each phase and each quarter of it.
fn talk(format: Format) -> impl FnMut(FetchProgress) {
    let bar = progress::bar(
        "{spinner} {msg} {bytes}/{total_bytes} {wide_bar} {eta}",
        Some(0),
    );
    let in_lines = format == Format::Text && !std::io::stderr().is_terminal();
    let mut said = None;
    move |fetch| {
        let what = phase(fetch.phase);
        bar.set_message(what);
        bar.set_length(fetch.total_bytes);
        bar.set_position(fetch.done_bytes);
        let quarters = (fetch.done_bytes * 4).checked_div(fetch.total_bytes);
        let now = Some((fetch.phase, quarters));
        if in_lines && said != now {
            said = now;
            let share = quarters.map_or_else(String::new, |n| format!(": {} %", n * 25));
            progress::say(&format!("{what}{share}"));
        }
    }
}

fn phase(phase: FetchPhase) -> &'static str {
    match phase {
        FetchPhase::Waiting => "waiting for another process that fetches ClickHouse",
        FetchPhase::Downloading => "fetching ClickHouse (once, 178 MB)",
        FetchPhase::Checking => "checking what came",
        FetchPhase::Unpacking => "unpacking ClickHouse",
    }
}
