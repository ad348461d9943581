//! Limits and settings of a server that a cycle may meet.

use super::ddl::has_deleting_ttl;
use super::finding::{Code, Findings};
use crate::cli::output::{counted, grouped};
use crate::target::TableSchema;
use crate::warehouse::{LargestPartition, MutationBacklog, SystemLog};

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

/// Whether whole partitions of targets can be dropped.
pub(super) fn partitions(
    largest: &[LargestPartition],
    limit_bytes: Option<u64>,
    findings: &mut Findings,
) {
    for partition in largest {
        let over = limit_bytes.filter(|limit_bytes| partition.size_bytes > *limit_bytes);
        if let Some(limit_bytes) = over {
            findings.warn(
                Code::DropLimit,
                &partition.table,
                format!(
                    "its partition {} holds {}, and the server drops none above {} \
                     (max_partition_size_to_drop)",
                    partition.partition,
                    bytes(partition.size_bytes),
                    bytes(limit_bytes)
                ),
                "raise max_partition_size_to_drop on the server, or cut smaller partitions",
            );
        }
    }
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
