//! Limits and settings of a server that a cycle may meet.

use super::ddl::has_deleting_ttl;
use super::finding::{Code, Findings};
use crate::cli::output::{counted, grouped};
use crate::plan::{Partition, UNPARTITIONED};
use crate::target::TableSchema;
use crate::warehouse::{MutationBacklog, Partitions, SystemLog};

const DELAY: &str = "number_of_mutations_to_delay";
const THROW: &str = "number_of_mutations_to_throw";
/// Bookkeeping is paid for every part by every mutation.
const MANY_PARTS: u64 = 1_000;
/// Logs without a TTL that hold less are not worth a warning yet.
const MUCH_LOG: u64 = 1 << 30;

/// Parts of a target.
pub(super) fn parts(schema: &TableSchema, findings: &mut Findings) {
    if schema.parts > MANY_PARTS {
        findings.warn(
            Code::ManyParts,
            &schema.name,
            format!(
                "has {} active parts, and every statement visits each of them",
                grouped(schema.parts)
            ),
            "expect statements to be slow; larger partitions, or none, make fewer parts",
        );
    }
}

/// Whether a target can have patch parts.
pub(super) fn block_numbers(schema: &TableSchema, findings: &mut Findings) {
    if !schema.takes_patches() {
        findings.info(
            Code::NoBlockNumbers,
            &schema.name,
            "no columns of block numbers, so no delete can be written as a patch part",
            "nothing, unless statements are slow for their many parts; then turn on \
             enable_block_number_column and enable_block_offset_column",
        );
    }
}

/// How near the mutations of a target are to what the server puts up with.
pub(super) fn mutations(
    schema: &TableSchema,
    backlog: &[MutationBacklog],
    findings: &mut Findings,
) {
    let limit = |name| schema.setting(name)?.parse::<u64>().ok();
    let limits = [(THROW, limit(THROW)), (DELAY, limit(DELAY))];
    // 0 turns a limit off.
    let limits = limits
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit.filter(|limit| *limit > 0)?)));
    let Some((name, limit)) = limits.min_by_key(|(_, limit)| *limit) else {
        return;
    };
    let of_table = |row: &&MutationBacklog| row.table == schema.name;
    let n_unfinished = backlog
        .iter()
        .find(of_table)
        .map_or(0, |row| row.n_unfinished);
    if n_unfinished > 0 && n_unfinished.saturating_mul(2) >= limit {
        findings.warn(
            Code::MutationLimit,
            &schema.name,
            format!(
                "has {}; from {} on ({name}) the server slows down or refuses statements and inserts",
                counted(n_unfinished, "unfinished mutation"),
                grouped(limit)
            ),
            "look why they do not finish (latest_fail_reason in system.mutations), or wait for them",
        );
    }
}

/// Whether what a delete does in the background belongs to a workload, as its statement does.
pub(super) fn mutation_workload(
    schema: &TableSchema,
    ours: &str,
    of_server: Option<&str>,
    findings: &mut Findings,
) {
    const OF_NOBODY: [&str; 2] = ["", "default"];
    let of_table = schema.setting("mutation_workload");
    let of_table = of_table.as_deref().filter(|name| !name.is_empty());
    let found = of_table.or(of_server).unwrap_or_default();
    if OF_NOBODY.contains(&found) && !OF_NOBODY.contains(&ours) {
        findings.info(
            Code::MutationWorkload,
            &schema.name,
            format!(
                "its mutations belong to no workload: what a delete does in the background is not \
                 limited as {ours} is (pace.workload)"
            ),
            format!(
                "set mutation_workload on the server, or for the table: ALTER TABLE … MODIFY SETTING \
                 mutation_workload = '{ours}'"
            ),
        );
    }
}

/// Whether whole partitions of a target can be dropped, up to so many bytes; 0 for any.
pub(super) fn partitions(
    table: &str,
    partitions: &Partitions,
    limit_bytes: u64,
    findings: &mut Findings,
) {
    let is_of_key = |found: &&Partition| &*found.id != UNPARTITIONED;
    let of_key = partitions.found.iter().filter(is_of_key);
    let Some(largest) = of_key.max_by_key(|found| found.n_bytes) else {
        return;
    };
    if limit_bytes == 0 || largest.n_bytes <= limit_bytes {
        return;
    }
    let (who, remedy) = if partitions.is_of_user {
        (
            "this user may drop",
            "raise max_partition_size_to_drop for this user, or cut smaller partitions",
        )
    } else {
        (
            "the server drops",
            "raise max_partition_size_to_drop on the server, or cut smaller partitions",
        )
    };
    findings.warn(
        Code::DropLimit,
        table,
        format!(
            "its partition {} holds {}, and {who} none above {} (max_partition_size_to_drop)",
            largest.value,
            bytes(largest.n_bytes),
            bytes(limit_bytes)
        ),
        remedy,
    );
}

/// The server's own logs.
pub(super) fn system_logs(shard: &str, logs: &[SystemLog], findings: &mut Findings) {
    let endless = logs.iter();
    let endless = endless.filter(|log| !has_deleting_ttl(&log.engine_full));
    let (old, endless): (Vec<_>, Vec<_>) = endless.partition(|log| is_renamed(&log.name));
    if !old.is_empty() {
        findings.warn(
            Code::OldSystemLog,
            shard,
            format!(
                "an upgrade left {}: nothing writes to them or reads them any more",
                sizes(&old)
            ),
            "DROP TABLE them",
        );
    }
    if endless.is_empty() {
        return;
    }
    let size_bytes: u64 = endless.iter().map(|log| log.size_bytes).sum();
    let message = format!("logs of the server grow without a TTL: {}", sizes(&endless));
    let remedy = "give each a <ttl> in the server's configuration";
    if size_bytes >= MUCH_LOG {
        findings.warn(Code::SystemLogWithoutTtl, shard, message, remedy);
    } else {
        findings.info(Code::SystemLogWithoutTtl, shard, message, remedy);
    }
}

/// `query_log_0`: an upgrade that changed the columns put the old table aside.
fn is_renamed(name: &str) -> bool {
    let number = name.rsplit_once("_log_").map(|(_, number)| number);
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The largest by name, with what all hold together.
fn sizes(logs: &[&SystemLog]) -> String {
    const NAMED: usize = 4;
    let largest: Vec<String> = logs
        .iter()
        .take(NAMED)
        .map(|log| format!("{} {}", log.name, bytes(log.size_bytes)))
        .collect();
    let more = match logs.len().saturating_sub(NAMED) {
        0 => String::new(),
        n_more => format!(" and {n_more} more"),
    };
    let size_bytes = logs.iter().map(|log| log.size_bytes).sum();
    let names = largest.join(", ");
    if logs.len() == 1 {
        names
    } else {
        format!("{names}{more}, {} in all", bytes(size_bytes))
    }
}

/// `812 B`, `3.4 GiB`.
fn bytes(size_bytes: u64) -> String {
    let mut unit = "B";
    let (mut whole, mut tenths) = (size_bytes, 0);
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if whole < 1_024 {
            break;
        }
        (whole, tenths) = (whole / 1_024, whole % 1_024 * 10 / 1_024);
        unit = larger;
    }
    if tenths == 0 {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{tenths} {unit}")
    }
}

#[cfg(test)]
mod tests;
