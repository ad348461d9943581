//! `ebbtide demo`: everything end to end, told as a story.
//!
//! Invariant: the engine is used as `run` uses it, and judged by counts that it had no part in.

mod checks;
mod database;
mod doing;
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

use self::checks::Seen;
use self::promises::Promises;
use self::report::{DemoReport, RuleLine, SecondCycle, Server};
use self::stage::{Place, SameDay};
use self::story::Story;
use super::output::{counted, grouped};
use super::{Context, Exit, Output, plan, progress, run as run_verb};
use crate::clock::Clock;
use crate::embedded::EmbeddedOptions;
use crate::engine::Engine;
use crate::ledger::ImportRule;

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
    story.say(&ending(&report))?;
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
    let clock = Arc::new(SameDay::new(Arc::clone(&context.clock))?);
    let now = clock.now();

    story.chapter("A ClickHouse to work on")?;
    let embedded = start(options).await?;
    let database = Database::new(&embedded.url());
    let server = Server {
        version: database.version().await?,
        url: embedded.url(),
    };
    story.say(&format!(
        "ClickHouse {} answers at {}, in a process of its own, for this demo alone.\n\
         Its merges wait until the demo is over, so that all numbers add up.",
        server.version, server.url
    ))?;

    story.chapter("Sample data")?;
    sample::create(&database, now, args.traces, context.format).await?;
    let sizes = database.tables().await?;
    story.say("The tables of Opik, a tracing backend, filled on the server just now:\n")?;
    story.say(&story::tables(&sizes))?;
    let organizations = sample::directory()?;
    story.say(&format!(
        "\n{} workspaces of 3 organizations, and one that no organization knows, over 500 days.\n\
         Some rows are awkward on purpose: ids that tell no time, ids from the future, rows in two \
         versions,\ntraces that an experiment refers to, and a workspace that is called\n\
         x'); DROP TABLE traces; --",
        organizations.len()
    ))?;

    story.chapter("Rules")?;
    let config = stage::config(&server.url, place.path())?;
    let rules = promises::sample_rules(now)?;
    place.keep_inputs(&rules)?;
    let entries = promises::read(&rules, &config.periods)?;
    let promises = Promises::new(&entries, organizations.clone())?;
    let ledger = stage::ledger(&config).await?;
    let by = super::context::user_name();
    let mut pairs = organizations.iter().map(|(workspace, organization)| {
        Ok((workspace.as_str().into(), organization.as_str().into()))
    });
    ledger.put_workspaces(&mut pairs).await?;
    let mut imports = entries.into_iter().map(|entry| Ok(ImportRule::from(entry)));
    ledger.import_rules(&mut imports, &by, now).await?;
    let mut records = Vec::new();
    ledger
        .each_rule(false, &mut |record| records.push(record))
        .await?;
    story.say(
        "Each promises a retention to someone. The narrowest rule wins: project, workspace, \
         organization.\nWhere there is no rule the default of the config holds, `unlimited`.\n",
    )?;
    story.say(&story::rules(&records))?;

    story.chapter("The plan")?;
    story.say("`ebbtide plan` only reads, and makes every choice: what goes, why, and how.")?;
    let engine =
        Engine::new(&config, ledger, clock)?.observed_by(progress::observer(context.format));
    let plan = engine.plan(None).await?;
    story.say(&plan::overview(&plan))?;
    story.say("Rows that go, by the rule that won:\n")?;
    story.say(&story::due_by_rule(&plan, &records))?;
    for refusal in &plan.refusals {
        story.say(&format!("\nrefused: {refusal}"))?;
    }
    let before = database.tally(&promises, plan.as_of).await?;

    story.chapter("A statement")?;
    let statement = plan::statements(&engine, &plan).await?.pop();
    if let Some(statement) = &statement {
        story.say(&format!(
            "All policies of a table go into one DELETE: its cost is in the parts it touches, not \
             in the rows.\nThis is step {}, with long lists cut short (`ebbtide plan --sql` prints \
             all of it):\n\n{}",
            statement.step,
            story::shortened(&statement.statement.sql)
        ))?;
    }

    story.chapter("The cycle")?;
    story.say(
        "What `ebbtide run` does. Before each statement the rules are looked at again and the \
         intent is recorded;\nafter it, what is left is counted under the same predicate.",
    )?;
    let report = engine.apply(&plan).await?;
    story.say(&run_verb::describe(&plan, &report))?;

    story.chapter("Was that right?")?;
    let after = database.tally(&promises, plan.as_of).await?;
    let changes = checks::changes(&sizes, &database.tables().await?, &report);
    let mut checks = checks::judge(Seen {
        plan: &plan,
        report: &report,
        before: &before,
        after: &after,
        changes: &changes,
    });
    story.say(
        "Counted anew, row by row, by a query that knows the rules but neither the planner nor the \
         compiler:\n",
    )?;
    story.say(&story::checks(&checks))?;

    story.chapter("Before and after")?;
    story.say(&story::changes(&changes))?;
    story.say("\nDeleted rows are invisible at once; later merges take them off the disk.")?;

    story.chapter("Once more")?;
    let n_mutations_before = database.n_mutations().await?;
    let (_, second) = engine.run().await?;
    let second_cycle = SecondCycle {
        n_statements: second.n_statements(),
        n_mutations_before,
        n_mutations_after: database.n_mutations().await?,
    };
    story.say(&format!(
        "A second cycle finds nothing due, and sends {}: ClickHouse had {} before it and {} after \
         it.\nA DELETE that matches nothing would cost as much as one that does.",
        story::statements(second_cycle.n_statements),
        counted(second_cycle.n_mutations_before, "mutation"),
        grouped(second_cycle.n_mutations_after),
    ))?;
    checks.push(second_cycle.check());
    let directory = place.is_kept().then(|| place.path().to_owned());
    Ok(DemoReport {
        ok: checks.iter().all(|check| check.ok),
        seconds: 0.0,
        directory,
        clickhouse: server,
        sample: sizes,
        rules: records.iter().map(RuleLine::from).collect(),
        plan,
        statement,
        cycle: report,
        checks,
        tally_before: before,
        tally_after: after,
        tables: changes,
        second_cycle,
    })
}

/// How it ended, and what to try next.
fn ending(report: &DemoReport) -> String {
    let mut text = format!("\nDone in {:.0} s. ", report.seconds);
    if !report.ok {
        let wrong = report.checks.iter().filter(|check| !check.ok);
        let wrong: Vec<_> = wrong
            .map(|check| format!("  WRONG  {}", check.what))
            .collect();
        text.push_str("Not everything is as promised:\n");
        text.push_str(&wrong.join("\n"));
        text.push('\n');
    }
    match &report.directory {
        Some(directory) => text.push_str(&format!(
            "Everything is still there. To look around:\n\n\
             \x20 cd {}\n\
             \x20 ebbtide clickhouse --path clickhouse     # in a terminal of its own\n",
            directory.display()
        )),
        None => text.push_str(
            "Nothing of it is left. To try it yourself, where config.yml is:\n\n\
             \x20 ebbtide clickhouse --sample              # in a terminal of its own\n\
             \x20 ebbtide migrate\n\
             \x20 ebbtide workspaces import fixtures/workspaces.csv\n\
             \x20 ebbtide rules import fixtures/rules.yml\n",
        ),
    }
    text.push_str(
        "\x20 ebbtide explain --workspace acme-017     # what holds for it, and why\n\
         \x20 ebbtide rules add --workspace acme-003 --retention 7d\n\
         \x20 ebbtide plan --sql                       # what that would delete, and how\n\
         \x20 ebbtide run                              # do it\n\
         \x20 ebbtide doctor                           # your own config.yml against your servers",
    );
    text
}
