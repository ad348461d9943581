//! `ebbtide mutations`: our deletes, and rewrites, that ClickHouse still works on, and ending one of them.

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::output::{grouped, table};
use super::{Context, Exit, Output, confirm, context, progress};
use crate::config::Config;
use crate::ledger::MutationKill;
use crate::warehouse::{MutationState, Shard};

/// List our deletes and rewrites that ClickHouse still works on, or end one of them.
#[derive(Debug, Args)]
pub struct Mutations {
    /// End the mutation with this id.
    ///
    /// It has deleted from some parts of its table and not from others: part of its rows may be gone,
    /// and stay gone. The next cycle takes the rest, if it still is due. A rewrite that frees the disk
    /// deletes nothing.
    #[arg(long, value_name = "ID")]
    kill: Option<String>,
    /// Only of this table; needed to end one where several tables have one of that id.
    #[arg(long, value_name = "TABLE", allow_hyphen_values = true)]
    table: Option<String>,
    /// Only on this shard, by its address.
    #[arg(long, value_name = "URL")]
    shard: Option<String>,
    /// Do not ask before ending it.
    #[arg(long, requires = "kill")]
    yes: bool,
}

/// A mutation as it is printed.
#[derive(Debug, Serialize)]
struct MutationView {
    id: String,
    table: String,
    shard: String,
    /// Whether it only frees the disk of rows that are deleted already.
    is_rewrite: bool,
    cycle: Option<String>,
    step: Option<String>,
    parts_to_do: u64,
    created_at: Option<Timestamp>,
    age_s: u64,
    /// Since a part of it was finished last.
    idle_s: u64,
    is_stalled: bool,
    fail_reason: Option<String>,
}

/// A mutation and where it is.
struct Found {
    shard: Shard,
    state: MutationState,
}

pub(super) async fn run(
    args: &Mutations,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let found = find(args, &config).await?;
    match &args.kill {
        None => list(&found, &config, output),
        Some(id) => Box::pin(kill(id, found, args, &config, context, output)).await,
    }
}

async fn find(args: &Mutations, config: &Config) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for shard in shards(args, config)? {
        let states = shard.all_unfinished_mutations().await?;
        let is_asked = |state: &MutationState| {
            let table = args.table.as_ref();
            // A rewrite of another table holds nothing of ours back.
            let is_target = || config.targets.iter().any(|one| one.table == state.table);
            table.is_none_or(|table| *table == state.table) && (!state.is_rewrite() || is_target())
        };
        found.extend(states.into_iter().filter(is_asked).map(|state| Found {
            shard: shard.clone(),
            state,
        }));
    }
    Ok(found)
}

fn shards(args: &Mutations, config: &Config) -> anyhow::Result<Vec<Shard>> {
    let mut shards = Vec::new();
    for options in &config.shards {
        shards.push(Shard::new(options.clone())?);
    }
    if let Some(name) = &args.shard {
        shards.retain(|shard| shard.name() == name.trim_end_matches('/'));
        if shards.is_empty() {
            bail!("{name} is none of clickhouse.shards");
        }
    }
    Ok(shards)
}

fn list(found: &[Found], config: &Config, output: &mut Output) -> anyhow::Result<Exit> {
    let stall_after = config.pace.stall_after;
    let views: Vec<MutationView> = found
        .iter()
        .map(|Found { shard, state }| {
            let (cycle, step) = state.cycle_and_step().unzip();
            MutationView {
                id: state.id.clone(),
                table: state.table.clone(),
                shard: shard.name().to_owned(),
                is_rewrite: state.is_rewrite(),
                cycle: cycle.map(str::to_owned),
                step: step.map(str::to_owned),
                parts_to_do: state.parts_to_do,
                created_at: state.created_at,
                age_s: state.age.as_secs(),
                idle_s: state.idle.as_secs(),
                is_stalled: state.idle >= stall_after,
                fail_reason: state.fail_reason.clone(),
            }
        })
        .collect();
    output.result(&views, |views| {
        if views.is_empty() {
            return "ClickHouse works on no delete of ours, and on no rewrite".into();
        }
        let rows = views.iter().map(|view| {
            let step = view.step.as_deref().unwrap_or("-");
            let cycle = view.cycle.as_deref().unwrap_or("-");
            let of = if view.is_rewrite {
                "frees the disk".to_owned()
            } else {
                format!("{cycle}, step {step}")
            };
            let reason = view.fail_reason.as_deref().unwrap_or("-");
            [
                view.id.clone(),
                view.table.clone(),
                view.shard.clone(),
                of,
                grouped(view.parts_to_do),
                format!("{} s", view.age_s),
                if view.is_stalled {
                    "stalled"
                } else {
                    "at work"
                }
                .to_owned(),
                reason.to_owned(),
            ]
        });
        table(
            [
                "id",
                "table",
                "shard",
                "cycle",
                "parts to do",
                "age",
                "state",
                "fails with",
            ],
            &[4, 5],
            rows,
        )
    })?;
    Ok(Exit::Done)
}

async fn kill(
    id: &str,
    found: Vec<Found>,
    args: &Mutations,
    config: &Config,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut found = found;
    found.retain(|found| found.state.id == id);
    let Some(Found { shard, state }) = found.pop() else {
        return not_ours(id, args, config).await;
    };
    if !found.is_empty() {
        bail!("several tables have a mutation {id} of ours; name one with --table and --shard");
    }
    if !args.yes && !is_confirmed(&state)? {
        return Ok(Exit::Refused);
    }
    let ledger = context.ledger(config).await?;
    // Who did it is known whatever comes of it.
    let record = MutationKill {
        shard: shard.name().to_owned(),
        table: state.table.clone(),
        mutation: state.id.clone(),
        marker: state.marker.clone(),
    };
    ledger.note_kill(&record, &context::user_name()).await?;
    shard.kill_mutation(&state).await?;
    let left = shard.unfinished_mutations(&state.table).await?;
    if left.iter().any(|left| left.id == state.id) {
        bail!(
            "ClickHouse was told to end {id} of table {}, and still lists it; look again with \
             `ebbtide mutations`",
            state.table
        );
    }
    let killed = json!({"killed": state.id, "table": state.table, "shard": shard.name()});
    output.result(&killed, |_| {
        format!(
            "{id} of table {} is ended; {}",
            state.table,
            afterwards(&state)
        )
    })?;
    Ok(Exit::Done)
}

/// Says why a mutation is not ended: it is somebody else's, or there is none.
async fn not_ours(id: &str, args: &Mutations, config: &Config) -> anyhow::Result<Exit> {
    for shard in shards(args, config)? {
        let tables = shard.tables_with_mutation(id).await?;
        let of_table = |table: &&String| args.table.as_ref().is_none_or(|name| name == *table);
        if let Some(table) = tables.iter().find(of_table) {
            progress::say(&format!(
                "error: {id} of table {table} is not ours; ebbtide ends only its own"
            ));
            return Ok(Exit::Refused);
        }
    }
    bail!("there is no unfinished mutation {id}; `ebbtide mutations` lists ours");
}

/// Asks a person; without one, the answer must be on the command line.
fn is_confirmed(state: &MutationState) -> anyhow::Result<bool> {
    confirm::check_somebody_is_there(&format!("end {}", state.id))?;
    confirm::is_confirmed(&format!(
        "{} of table {} has {} parts to do. Ended now, {}. End it?",
        state.id,
        state.table,
        state.parts_to_do,
        afterwards(state)
    ))
}

/// How things are when a mutation is ended.
fn afterwards(state: &MutationState) -> &'static str {
    if state.is_rewrite() {
        "nothing is lost, and a later rewrite frees the rest of the disk"
    } else {
        "part of its rows may be gone, and the next cycle takes the rest"
    }
}
