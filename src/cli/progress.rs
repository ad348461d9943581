//! Talk on stderr: bars on a terminal, plain lines elsewhere.

mod rows;

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use self::rows::Rows;
pub(super) use self::rows::length;
use super::Format;
use super::output::{counted, grouped};
use crate::engine::{Event, StepOutcomeKind, StepReport};
use crate::verify::Verdict;

/// Logs go to stderr: warnings, or more with `-v`.
pub(super) fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "ebbtide=info,warn",
        _ => "ebbtide=debug,info",
    };
    // A second call, in tests, finds a subscriber and leaves it.
    let started = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .without_time()
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// Says something on stderr. If stderr is gone there is nobody to tell.
pub(super) fn say(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").unwrap_or_default();
}

/// Warns on stderr.
pub(super) fn warn(text: &str) {
    say(&format!("warning: {text}"));
}

/// A bar for something that runs for a while: on a terminal it moves, elsewhere it is silent.
pub(super) fn bar(template: &str, length: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// The bar that a cycle shows now. There is one terminal, and what is printed there must not meet it.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn shown() -> MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the bar of a cycle away, before something else is printed.
pub(super) fn clear() {
    if let Some(bar) = shown().take() {
        bar.finish_and_clear();
    }
}

/// A look at how far it is, where no terminal shows it all the time.
const SAYS_HOW_FAR_EVERY: Duration = Duration::from_secs(10);

const LOOKING: &str = "{spinner} {wide_msg} {elapsed}";
const DELETING: &str = "{spinner} {bar:24} {wide_msg} {elapsed}";

/// Shows the events of a cycle: one bar on a terminal, lines elsewhere, for programs one JSON object a
/// line and step.
pub(super) fn observer(format: Format) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let is_terminal = std::io::stderr().is_terminal();
    let rows: Mutex<(Rows, Instant)> = Mutex::new((Rows::default(), Instant::now()));
    move |event| {
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, said_at) = &mut *rows;
        rows.hear(event);
        if format == Format::Json {
            if let Event::StepFinished { report, of } = event {
                say(&json(report, *of, rows));
            }
            return;
        }
        let mut shown = shown();
        let bar = shown.get_or_insert_with(|| bar(LOOKING, Some(0)));
        let tell = |line: String| {
            if is_terminal {
                bar.println(line);
            } else {
                say(&line);
            }
        };
        match event {
            Event::Probing {
                shard,
                table,
                number,
                of,
            } => {
                restyle(bar, LOOKING);
                bar.set_message(format!("probing {table} on {shard} ({number}/{of})"));
                if !is_terminal {
                    say(&format!("probing {table} on {shard} ({number}/{of})"));
                }
            }
            Event::StepStarted { step, of } => {
                restyle(bar, DELETING);
                bar.set_length(rows.n_all());
                bar.set_position(rows.n_done());
                bar.set_message(format!(
                    "{}; step {}/{of} {}: {}",
                    rows.now().describe(),
                    step.number,
                    step.table,
                    counted(step.n_due, "row")
                ));
            }
            Event::StepFinished { report, of } => {
                tell(format!("step {}/{of} {}", report.number, describe(report)));
                bar.set_length(rows.n_all());
                bar.set_position(rows.n_done());
                if !is_terminal && said_at.elapsed() >= SAYS_HOW_FAR_EVERY {
                    *said_at = Instant::now();
                    say(&rows.now().describe());
                }
            }
            Event::HeldBack { table, wait, .. } => {
                let line = match wait {
                    Some(wait) => format!("{table} waits: {wait}"),
                    None => format!("{table} goes on"),
                };
                if is_terminal {
                    bar.set_message(line);
                } else {
                    say(&line);
                }
            }
            Event::Stalled { mutations, .. } => mutations.iter().for_each(|reason| {
                tell(format!("stalled: {reason}; see `ebbtide mutations`"));
            }),
            Event::Reclaiming { reclaim } => {
                let of = &reclaim.remains;
                let line = format!("{} {}: {}", of.table, of.partition, reclaim.reason);
                bar.set_message(line.clone());
                if !is_terminal {
                    say(&line);
                }
            }
            Event::Reclaimed { report } => {
                let done = super::reclaim::outcome(report);
                tell(format!("{} {}: {done}", report.table, report.partition));
            }
            Event::Surveyed { .. }
            | Event::Throttled { .. }
            | Event::Quarantined { .. }
            | Event::Planned { .. }
            | Event::CycleStarted { .. }
            | Event::CycleEnded { .. } => {}
            Event::Replanning => {
                tell("rules or step sizes changed; planning the rest again".into());
            }
        }
    }
}

/// A bar is drawn anew by its ticks; only what changes is set.
fn restyle(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// A step that ended, for programs.
fn json(report: &StepReport, of: usize, rows: &Rows) -> String {
    let line = json!({
        "step": report.number,
        "of": of,
        "table": report.table,
        "outcome": report.why(),
        "progress": rows.now(),
    });
    line.to_string()
}

/// A step and its outcome on one line.
fn describe(report: &StepReport) -> String {
    let seconds = report.duration.as_secs_f64();
    format!("{}: {} ({seconds:.1} s)", report.table, outcome(report))
}

/// What became of a step, in a few words.
pub(super) fn outcome(report: &StepReport) -> String {
    let outcome = match &report.outcome {
        StepOutcomeKind::Applied(Verdict::Verified) => {
            format!("verified, {} gone", counted(report.n_due, "row"))
        }
        StepOutcomeKind::Applied(Verdict::Incomplete { n_left }) => {
            format!(
                "incomplete, {} left of {}",
                grouped(*n_left),
                grouped(report.n_due)
            )
        }
        StepOutcomeKind::Applied(Verdict::Unknown) => "sent, but what is left is unknown".into(),
        StepOutcomeKind::Failed { error, .. } => format!("failed: {error}"),
        StepOutcomeKind::Skipped { reason } => return format!("skipped: {reason}"),
    };
    match report.n_left_out {
        0 => outcome,
        n => format!("{outcome}; {n} left out, as children of theirs stayed"),
    }
}
