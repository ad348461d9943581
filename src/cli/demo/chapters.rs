//! The chapters of the demo: each does one thing, says what, and shows what came of it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::checks::{Check, TableChange};
use super::database::{Database, TableSize};
use super::library::start;
use super::promises::{self, Promises};
use super::report::{SecondCycle, Server};
use super::stage::{self, Place};
use super::story::{self, Story};
use super::{excerpt, sample};
use crate::cli::output::{counted, grouped};
use crate::cli::plan::{self, StatementView};
use crate::cli::{Format, context, progress, run};
use crate::clock::Clock;
use crate::config::Config;
use crate::embedded::{Embedded, EmbeddedOptions};
use crate::engine::{CycleReport, Engine, PlanRequest, Tenure};
use crate::ledger::{ImportRule, Ledger, RuleRecord};
use crate::plan::Plan;

/// What every chapter needs.
pub(super) struct Chapters<'s, 'o> {
    pub(super) format: Format,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) story: &'s mut Story<'o>,
}

/// The rules, for the engine and for the count that judges it.
pub(super) struct Book {
    pub(super) config: Config,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) records: Vec<RuleRecord>,
    pub(super) promises: Promises,
}

impl Chapters<'_, '_> {
    pub(super) async fn a_clickhouse(
        &mut self,
        options: EmbeddedOptions,
    ) -> anyhow::Result<(Embedded, Database, Server)> {
        self.story.chapter("A ClickHouse to work on")?;
        let embedded = start(options).await?;
        let url = embedded.url();
        let database = Database::new(&url);
        let version = database.version().await?;
        self.story.say(&format!(
            "ClickHouse {version} answers at {url}, in a process of its own, for this demo alone.\n\
             Its merges wait until the demo is over, so that all numbers add up."
        ))?;
        Ok((embedded, database, Server { version, url }))
    }

    pub(super) async fn sample_data(
        &mut self,
        database: &Database,
        n_traces: u64,
    ) -> anyhow::Result<Vec<TableSize>> {
        self.story.chapter("Sample data")?;
        sample::create(database, self.clock.now(), n_traces, self.format).await?;
        let sizes = database.tables().await?;
        self.story
            .say("The tables of Opik, a tracing backend, filled on the server just now:\n")?;
        self.story.say(&story::tables(&sizes))?;
        self.story.say(&format!(
            "\n{} workspaces of 3 organizations, and one that no organization knows, over 500 days.\n\
             Some rows are awkward on purpose: ids that tell no time, ids from the future, rows in \
             two versions,\ntraces that an experiment refers to, and a workspace that is called\n\
             x'); DROP TABLE traces; --",
            sample::directory()?.len()
        ))?;
        Ok(sizes)
    }

    pub(super) async fn rules(&mut self, server: &Server, place: &Place) -> anyhow::Result<Book> {
        self.story.chapter("Rules")?;
        let now = self.clock.now();
        let config = stage::config(&server.url, place.path())?;
        let rules = promises::sample_rules(now)?;
        place.keep_inputs(&rules)?;
        let entries = promises::read(&rules, &config.periods)?;
        let organizations = sample::directory()?;
        let mut pairs = organizations
            .iter()
            .map(|(workspace, name)| Ok((workspace.as_str().into(), name.as_str().into())));
        let ledger = stage::ledger(&config).await?;
        ledger
            .put_workspaces(&mut pairs, &context::user_name())
            .await?;
        let mut imports = entries
            .iter()
            .cloned()
            .map(|entry| Ok(ImportRule::from(entry)));
        ledger
            .import_rules(&mut imports, &context::user_name(), now)
            .await?;
        let mut records = Vec::new();
        ledger
            .each_rule(false, &mut |record| records.push(record))
            .await?;
        self.story.say(
            "Each promises a retention to someone. The narrowest rule wins: project, workspace, \
             organization.\nWhere there is no rule the default of the config holds, `unlimited`.\n",
        )?;
        self.story.say(&story::rules(&records))?;
        Ok(Book {
            promises: Promises::new(&entries, organizations)?,
            config,
            ledger,
            records,
        })
    }

    pub(super) async fn the_plan(&mut self, book: &Book) -> anyhow::Result<(Engine, Plan)> {
        self.story.chapter("The plan")?;
        self.story
            .say("`ebbtide plan --out plan.json` only reads, and makes every choice: what goes, why, and how.")?;
        let (ledger, clock) = (Arc::clone(&book.ledger), Arc::clone(&self.clock));
        let engine =
            Engine::new(&book.config, ledger, clock)?.observed_by(progress::observer(self.format));
        let plan = engine.plan(&PlanRequest::proposed()).await?;
        self.story.say(&plan::overview(&plan))?;
        self.story.say("Rows that go, by the rule that won:\n")?;
        self.story.say(&story::due_by_rule(&plan, &book.records))?;
        for refusal in &plan.refusals {
            self.story.say(&format!("\nrefused: {refusal}"))?;
        }
        Ok((engine, plan))
    }

    pub(super) async fn a_statement(
        &mut self,
        engine: &Engine,
        plan: &Plan,
    ) -> anyhow::Result<Option<StatementView>> {
        self.story.chapter("A statement")?;
        let last = plan::statements(engine, plan).await?.pop();
        if let Some(StatementView {
            step, statement, ..
        }) = &last
        {
            let text = excerpt::shortened(&statement.sql);
            self.story.say(&format!(
                "All policies of a table go into one DELETE: its cost is in the parts it touches, \
                 not in the rows.\nThis is step {step}, with long lists cut short \
                 (`ebbtide plan --sql` prints all of it):\n\n{text}"
            ))?;
        }
        Ok(last)
    }

    pub(super) async fn the_cycle(
        &mut self,
        engine: &Engine,
        plan: &Plan,
        tenure: &Tenure,
    ) -> anyhow::Result<CycleReport> {
        self.story.chapter("The cycle")?;
        self.story.say(
            "Nothing was ever approved here, so nothing may go before a person has looked. `ebbtide apply \
             plan.json`\napproves this very plan, and executes it. Before each statement rules and holds \
             are looked at again,\nand the intent is recorded; after it, what is left is counted under \
             the same predicate.\n",
        )?;
        let report = engine
            .apply_reviewed(
                plan,
                &context::user_name(),
                tenure,
                &CancellationToken::new(),
            )
            .await?;
        self.story.say(&run::describe(plan, &report))?;
        Ok(report)
    }

    pub(super) fn was_that_right(&mut self, checks: &[Check]) -> anyhow::Result<()> {
        self.story.chapter("Was that right?")?;
        self.story.say(
            "Counted anew, row by row, by a query that knows the rules but neither the planner nor \
             the compiler:\n",
        )?;
        self.story.say(&story::checks(checks))?;
        Ok(())
    }

    pub(super) fn before_and_after(&mut self, changes: &[TableChange]) -> anyhow::Result<()> {
        self.story.chapter("Before and after")?;
        self.story.say(&story::changes(changes))?;
        self.story
            .say("\nDeleted rows are invisible at once; later merges take them off the disk.")?;
        Ok(())
    }

    pub(super) async fn once_more(
        &mut self,
        engine: &Engine,
        database: &Database,
        tenure: &Tenure,
    ) -> anyhow::Result<SecondCycle> {
        self.story.chapter("Once more")?;
        let before = database.n_mutations().await?;
        let (_, report) = engine.run(tenure, &CancellationToken::new()).await?;
        let second = SecondCycle {
            statements: report.n_statements(),
            mutations_before: before,
            mutations_after: database.n_mutations().await?,
        };
        self.story.say(&format!(
            "`ebbtide run` needs nobody any more: what it would delete was approved. A second cycle finds nothing due and sends {}: ClickHouse had {} before it and {} \
             after it.\nA DELETE that matches nothing would still touch every part; the count that \
             spares it costs far less.",
            story::statements(second.statements),
            counted(second.mutations_before, "mutation"),
            grouped(second.mutations_after),
        ))?;
        Ok(second)
    }
}
