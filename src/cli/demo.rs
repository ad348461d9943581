//! `ebbtide demo`: everything end to end, told as a story.
//!
//! Invariant: the engine is used as `run` uses it, and judged by counts that it had no part in.

mod chapters;
mod checks;
mod database;
mod doing;
mod excerpt;
mod library;
mod promises;
mod report;
mod sample;
mod stage;
mod story;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use self::chapters::Chapters;
use self::report::{DemoReport, RuleLine};
use self::stage::{Place, SameDay};
use self::story::Story;
use super::{Context, Exit, Output, context, progress};
use crate::embedded::EmbeddedOptions;
use crate::engine::Tenure;

pub(super) use self::database::Database;
pub(super) use self::library::{Library, start};
pub(super) use self::sample::{N_TRACES, create as create_sample};

/// Show everything end to end, on an embedded ClickHouse with sample data.
#[derive(Debug, Args)]
pub struct Demo {
    /// Work in this directory, which must be new or empty, and leave everything there.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Leave everything where it is, and say where that is.
    #[arg(long)]
    pub keep: bool,
    /// Where ClickHouse comes from.
    #[command(flatten)]
    pub library: Library,
    /// So many traces instead of the usual number.
    #[arg(long, hide = true, default_value_t = N_TRACES)]
    pub traces: u64,
}

/// Merges wait: they would drop the older versions of updated rows in the middle of the story.
const NO_MERGES: &str = "<merge_tree>\
    <max_bytes_to_merge_at_max_space_in_pool>1</max_bytes_to_merge_at_max_space_in_pool>\
    <max_bytes_to_merge_at_min_space_in_pool>1</max_bytes_to_merge_at_min_space_in_pool>\
    </merge_tree>";

pub(super) async fn run(
    args: &Demo,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let began_at = Instant::now();
    let mut story = Story::new(output);
    story.say(
        "Ebbtide deletes from ClickHouse what nobody was promised to find there any longer, and \
         nothing else.\nThis is one cycle from end to end, on a real ClickHouse with sample data.",
    )?;
    Place::check(args)?;
    let library = args.library.ensure(context.format).await?;
    let place = Place::create(args)?;
    let mut options = EmbeddedOptions::new(library);
    options.directory = Some(place.clickhouse());
    options.config_xml = NO_MERGES.into();
    // Dropping the story ends its ClickHouse, and then its directory goes.
    let report = tokio::select! {
        report = tell(args, &place, options, context, &mut story) => report?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            progress::say("interrupted: the demo's ClickHouse has ended");
            return Ok(Exit::Incomplete);
        }
    };
    let report = DemoReport {
        seconds: began_at.elapsed().as_secs_f64(),
        ..report
    };
    story.say(&story::ending(&report))?;
    if context.format == super::Format::Json {
        output.result(&report, |_| String::new())?;
    }
    Ok(if report.ok {
        Exit::Done
    } else {
        Exit::Incomplete
    })
}

/// The chapters, in order.
async fn tell(
    args: &Demo,
    place: &Place,
    options: EmbeddedOptions,
    context: &Context,
    story: &mut Story<'_>,
) -> anyhow::Result<DemoReport> {
    let mut chapters = Chapters {
        format: context.format,
        clock: Arc::new(SameDay::new(Arc::clone(&context.clock))?),
        story,
    };
    let (_embedded, database, clickhouse) = chapters.a_clickhouse(options).await?;
    let sample = chapters.sample_data(&database, args.traces).await?;
    let book = chapters.rules(&clickhouse, place).await?;
    let (engine, plan) = chapters.the_plan(&book).await?;
    let before = database.tally(&book.promises, plan.as_of).await?;
    let statement = chapters.a_statement(&engine, &plan).await?;
    let lease = book.config.serve.lease;
    let tenure = Tenure::begin(&book.ledger, &context::holder(), lease).await?;
    let cycle = chapters.the_cycle(&engine, &plan, &tenure).await?;
    let after = database.tally(&book.promises, plan.as_of).await?;
    let tables = checks::changes(&sample, &database.tables().await?, &cycle);
    let mut checks = checks::judge(checks::Seen {
        plan: &plan,
        report: &cycle,
        before: &before,
        after: &after,
        changes: &tables,
    });
    chapters.was_that_right(&checks)?;
    chapters.before_and_after(&tables)?;
    let second_cycle = chapters.once_more(&engine, &database, &tenure).await?;
    tenure.release().await?;
    checks.push(second_cycle.check());
    Ok(DemoReport {
        ok: checks.iter().all(|check| check.ok),
        seconds: 0.0,
        directory: place.is_kept().then(|| place.path().to_owned()),
        clickhouse,
        sample,
        rules: book.records.iter().map(RuleLine::from).collect(),
        plan,
        statement,
        cycle,
        checks,
        tally_before: before,
        tally_after: after,
        tables,
        second_cycle,
    })
}
