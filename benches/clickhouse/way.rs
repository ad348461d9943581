//! The ways to delete what is due: those of others, written out as they send them, and Ebbtide's.

use std::collections::BTreeMap;

use ebbtide::SlotRange;

use crate::data::{DAY_MS, MIDNIGHT_MS, N_DAYS};
use crate::engine;
use crate::server::Server;
use crate::situation::{Due, Situation};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The engine: plan and apply.
    Ebbtide,
    /// The same in 48 slots.
    EbbtideSlots,
    /// The same on a table that takes patch parts.
    EbbtidePatches,
    /// One statement for each retention: workspaces in a list; with lower bounds an OR of pairs.
    Opik,
    /// The same in 48 fractions of the workspaces.
    OpikFractions,
    /// ORs of a hundred pairs of workspace and bounds.
    Langfuse,
    /// Bounds in a dictionary that the predicate looks up.
    Posthog,
    /// One statement for each workspace, for a share of them.
    Single,
    /// The TTL of the table, materialised.
    Ttl,
    /// `DROP PARTITION` of what is due as a whole.
    Drop,
}

use Way::{
    Drop, Ebbtide, EbbtidePatches, EbbtideSlots, Langfuse, Opik, OpikFractions, Posthog, Single,
    Ttl,
};

/// Slots or fractions of a day.
pub const N_SLOTS: u32 = 48;
/// Workspaces that have a statement of their own each.
pub const N_SINGLE: usize = 20;
/// Workspaces in a statement of Opik's.
const OPIK_BATCH: usize = 1_000;
/// Pairs in a statement of Langfuse's.
const LANGFUSE_BATCH: usize = 100;

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Ebbtide => "Ebbtide",
            EbbtideSlots => "Ebbtide, 48 slots",
            EbbtidePatches => "Ebbtide, patch parts",
            Opik => "Opik's statements",
            OpikFractions => "Opik's statements, 48 fractions",
            Langfuse => "Langfuse's OR of pairs",
            Posthog => "PostHog's dictionary",
            Single => "one statement a workspace (20 of them)",
            Ttl => "TTL",
            Drop => "DROP PARTITION",
        }
    }

    /// Those that can do what a situation asks for; Ebbtide first.
    pub fn of(situation: Situation) -> Vec<Self> {
        match situation {
            Situation::OneCutoff => vec![Ebbtide, Opik, Langfuse, Posthog, Single, Ttl],
            Situation::TenPeriods | Situation::FromNowOn => {
                vec![Ebbtide, Opik, Langfuse, Posthog]
            }
            Situation::NothingDue => vec![Ebbtide, Opik, Posthog],
            Situation::Window => vec![Ebbtide, EbbtidePatches, Opik, Posthog],
            Situation::WholePartitions => vec![Ebbtide, Opik, Posthog, Ttl, Drop],
            Situation::Day => vec![Ebbtide, EbbtideSlots, OpikFractions],
        }
    }

    /// What an operator does once to a table before this way can be used.
    pub async fn prepare(self, server: &Server, table: &str) {
        if self == EbbtidePatches {
            let settings = "enable_block_number_column = 1, enable_block_offset_column = 1";
            send(
                server,
                &[format!("ALTER TABLE {table} MODIFY SETTING {settings}")],
            )
            .await;
        }
    }

    /// Deletes what is due from a table.
    pub async fn delete(self, server: &Server, table: &str, due: &[Due], ready: &engine::Ready) {
        match self {
            Ebbtide | EbbtidePatches => ready.run().await,
            EbbtideSlots => ready.run_slots(N_SLOTS).await,
            Opik => send(server, &opik(table, due)).await,
            OpikFractions => {
                for number in 0..N_SLOTS {
                    let slot = SlotRange::of_slot(number, N_SLOTS);
                    let inside = |due: &&Due| slot.contains(&due.workspace());
                    let due: Vec<Due> = due.iter().filter(inside).cloned().collect();
                    send(server, &opik(table, &due)).await;
                }
            }
            Langfuse => {
                let batches = due.chunks(LANGFUSE_BATCH).map(|due| pairs(table, due));
                send(server, &batches.collect::<Vec<_>>()).await;
            }
            Posthog => posthog(server, table, due).await,
            Single => {
                let first = due.iter().take(N_SINGLE).map(std::slice::from_ref);
                send(
                    server,
                    &first.map(|due| pairs(table, due)).collect::<Vec<_>>(),
                )
                .await;
            }
            Ttl => send(server, &ttl(table, due)).await,
            Drop => send(server, &[drop_partitions(table, due)]).await,
        }
    }
}

async fn send(server: &Server, statements: &[String]) {
    for statement in statements {
        server.execute(statement).await;
    }
}

/// One statement for each retention and up to a thousand workspaces.
fn opik(table: &str, due: &[Due]) -> Vec<String> {
    let mut groups: BTreeMap<(i64, bool), Vec<Due>> = BTreeMap::new();
    for due in due {
        let group = (due.retention_days, due.from_ms.is_some());
        groups.entry(group).or_default().push(due.clone());
    }
    let mut statements = Vec::new();
    for ((_, is_bounded), group) in groups {
        for batch in group.chunks(OPIK_BATCH) {
            if is_bounded {
                statements.push(pairs(table, batch));
                continue;
            }
            let names: Vec<String> = batch
                .iter()
                .map(|due| format!("'{}'", due.workspace()))
                .collect();
            statements.push(format!(
                "DELETE FROM {table} WHERE workspace_id IN ({}) AND trace_id >= '{}' AND trace_id < '{}'",
                names.join(", "),
                ebbtide::smallest_id(MIDNIGHT_MS - N_DAYS * DAY_MS),
                batch[0].below_id()
            ));
        }
    }
    statements
}

/// An OR of workspaces with their bounds.
fn pairs(table: &str, due: &[Due]) -> String {
    let arms: Vec<String> = due
        .iter()
        .map(|due| {
            let from = match due.from_ms {
                Some(_) => format!(" AND trace_id >= '{}'", due.lower_id()),
                None => String::new(),
            };
            format!(
                "(workspace_id = '{}'{from} AND trace_id < '{}')",
                due.workspace(),
                due.below_id()
            )
        })
        .collect();
    format!("DELETE FROM {table} WHERE {}", arms.join(" OR "))
}

/// The bounds go into a dictionary, and one statement looks them up.
async fn posthog(server: &Server, table: &str, due: &[Due]) {
    server.execute("DROP DICTIONARY IF EXISTS due_lookup").await;
    server.execute("DROP TABLE IF EXISTS due SYNC").await;
    let create = server.query(include_str!("sql/due_table.sql"));
    create.param("source", "due").execute().await.unwrap();
    let rows: Vec<String> = due
        .iter()
        .map(|due| {
            format!(
                "('{}', '{}', '{}')",
                due.workspace(),
                due.lower_id(),
                due.below_id()
            )
        })
        .collect();
    let insert = format!("INSERT INTO due VALUES {}", rows.join(", "));
    server.execute(&insert).await;
    let create = server.query(include_str!("sql/due_dictionary.sql"));
    let create = create.param("dictionary", "due_lookup");
    create.execute().await.unwrap();
    let look_up =
        |column: &str| format!("dictGet('bench.due_lookup', '{column}', tuple(workspace_id))");
    let delete = format!(
        "DELETE FROM {table} WHERE dictHas('bench.due_lookup', tuple(workspace_id)) \
         AND trace_id >= {} AND trace_id < {}",
        look_up("from_id"),
        look_up("below_id")
    );
    server.execute(&delete).await;
}

/// A table has one TTL: it can say what all workspaces have in common.
fn ttl(table: &str, due: &[Due]) -> [String; 2] {
    let below_ms = due[0].below_ms();
    // A TTL asks for the time; the data end at a fixed day.
    let today_ms = jiff::Timestamp::now().as_millisecond() / DAY_MS * DAY_MS;
    let days = (today_ms - below_ms) / DAY_MS + 1;
    [
        format!("ALTER TABLE {table} MODIFY TTL toStartOfDay(id_at) + toIntervalDay({days})"),
        format!("ALTER TABLE {table} MATERIALIZE TTL"),
    ]
}

/// The days that are due in all workspaces.
fn drop_partitions(table: &str, due: &[Due]) -> String {
    let first_ms = MIDNIGHT_MS - N_DAYS * DAY_MS;
    let n_days = (due[0].below_ms() - first_ms) / DAY_MS;
    let days = (0..n_days).map(|day| {
        let at = jiff::Timestamp::from_millisecond(first_ms + day * DAY_MS).unwrap();
        format!("DROP PARTITION {}", at.strftime("%Y%m%d"))
    });
    format!(
        "ALTER TABLE {table} {}",
        days.collect::<Vec<_>>().join(", ")
    )
}
