//! What ClickHouse says at this moment: who answers, and what would keep a statement waiting.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use crate::config::Config;
use crate::engine::error_chain;
use crate::pace::{Decision, Pacer, Signal};
use crate::schedule::HeldBack;
use crate::warehouse::Shard;

/// A server that takes longer for its first answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that could not be asked.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Silent {
    pub(super) shard: String,
    pub(super) is_unreachable: bool,
    pub(super) reason: String,
}

/// What one server said.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Why it said nothing, if so.
    pub(super) silent: Option<Silent>,
    held: HashMap<String, HeldBack>,
    stalled: HashMap<String, String>,
}

/// Asks all servers at once.
pub(super) async fn ask(shards: &[Shard], config: &Config) -> Vec<Answer> {
    let pacer = Pacer::new(config.pace.clone());
    join_all(shards.iter().map(|shard| ask_one(shard, config, &pacer))).await
}

async fn ask_one(shard: &Shard, config: &Config, pacer: &Pacer) -> Answer {
    let mut answer = Answer::default();
    let asked = tokio::time::timeout(PATIENCE, shard.all_unfinished_mutations()).await;
    let (is_unreachable, reason) = match asked {
        Ok(Ok(mutations)) => {
            for target in &config.targets {
                let of_table = || mutations.iter().filter(|one| one.table == target.table);
                let stalled = of_table().find_map(|one| one.stalled(config.pace.stall_after));
                let running = of_table().next().map(|one| {
                    let (id, n_parts) = (&one.id, one.parts_to_do);
                    format!("{id} still runs, with {n_parts} parts to do")
                });
                let held = match running {
                    Some(running) => Some(("running_mutation", running)),
                    None => match pacer.look(shard, &target.table).await {
                        Decision::Wait(wait) => Some((wait.signal.as_str(), wait.to_string())),
                        Decision::Go => None,
                    },
                };
                if let Some((by, why)) = held {
                    answer.hold(&target.table, by, format!("on {}: {why}", shard.name()));
                }
                let table = || target.table.clone();
                answer.stalled.extend(stalled.map(|why| (table(), why)));
            }
            return answer;
        }
        Ok(Err(error)) => (error.is_unreachable(), error_chain(&error)),
        Err(_) => (
            true,
            format!("it did not answer within {} s", PATIENCE.as_secs()),
        ),
    };
    let by = if is_unreachable {
        "unreachable"
    } else {
        Signal::Unreadable.as_str()
    };
    for target in &config.targets {
        answer.hold(&target.table, by, reason.clone());
    }
    answer.silent = Some(Silent {
        shard: shard.name().to_owned(),
        is_unreachable,
        reason,
    });
    answer
}

impl Answer {
    fn hold(&mut self, table: &str, by: &str, reason: String) {
        let by = by.to_owned();
        self.held.insert(table.to_owned(), HeldBack { by, reason });
    }

    /// Whether something is not known.
    pub(super) fn is_lacking(&self) -> bool {
        let mut held = self.held.values();
        self.silent.is_some() || held.any(|held| held.by == Signal::Unreadable.as_str())
    }

    /// What would keep a statement to this table waiting.
    pub(super) fn held(&self, table: &str) -> Option<HeldBack> {
        self.held.get(table).cloned()
    }

    /// A mutation of ours of which no part was finished for long.
    pub(super) fn stalled(&self, table: &str) -> Option<String> {
        self.stalled.get(table).cloned()
    }
}
