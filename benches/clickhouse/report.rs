//! The tables of `docs/benchmarks.md`, from what was measured.

use std::fmt::Write as _;

use crate::record::{Measurements, Phases, Record};
use crate::run::{Cost, Stages};
use crate::situation;
use crate::target::targets;
use crate::way::{N_SINGLE, Way};

const BEGIN: &str = "<!-- written by make bench-clickhouse: begin -->\n";
const END: &str = "<!-- end -->";

/// Puts the tables between the marks of the document.
pub fn write(all: &Measurements) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let tables = tables(all);
    std::fs::write(path, format!("{head}{BEGIN}{tables}{END}{tail}")).unwrap();
}

fn tables(all: &Measurements) -> String {
    let mut sizes: Vec<u64> = all.records.iter().map(|record| record.spans).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes.dedup();
    let loads = all.records.iter().map(|record| record.load);
    let mut text = format!(
        "\nSeen with ClickHouse {} on {}. The load average of the machine meanwhile was {:.0} to {:.0}; with more \
         than 4, others used it too, and times say little but against each other.\n",
        all.server_version,
        all.machine,
        loads.clone().fold(f64::INFINITY, f64::min),
        loads.fold(0.0, f64::max)
    );
    for spans in sizes {
        write!(text, "\n### {} spans\n\n", thousands(spans)).unwrap();
        text += "| target | seen | |\n|---|---|---|\n";
        for target in targets(all, spans) {
            let verdict = target.verdict();
            writeln!(text, "| {} | {} | {verdict} |", target.what, target.seen).unwrap();
        }
        let mut readers = String::new();
        for (situation, layout) in situation::ALL {
            let ways = Way::of(situation);
            let records: Vec<&Record> = ways
                .iter()
                .filter_map(|way| all.find(spans, layout.name(), situation.name(), way.name()))
                .collect();
            let Some(first) = records.first() else {
                continue;
            };
            write!(
                text,
                "\n**{}**, {} ({} parts): {}.\n\n",
                capital(situation.name()),
                layout.name(),
                first.n_parts,
                situation.what()
            )
            .unwrap();
            text += &costs(&records);
            for record in &records {
                readers += &reader_row(record);
            }
        }
        text += &stages(&all_of(all, spans));
        text += "\n**Readers.** Milliseconds to open one trace (p50 / p99, or the longest of fewer than a hundred, as ≤) before, during and after, and for a chart over \
                 all spans (p50).\n\n\
                 | situation | way | trace before | during | after | chart before | during | after |\n\
                 |---|---|---|---|---|---|---|---|\n";
        text += &readers;
    }
    text + "\n"
}

/// One table: what each way cost, and against the first.
fn costs(records: &[&Record]) -> String {
    let mut text = String::from(
        "| way | runs | statements | mutations | parts registered | rewritten | mutation time | × | \
         processor time | × | wall time | × | written | rows deleted | disk | reclaimed |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let ours = records[0];
    for record in records {
        let once = record.first();
        let times = |of: fn(&Cost) -> f64| {
            let (this, ours) = (record.median(of), ours.median(of));
            // Twenty of a thousand stand for all of them.
            let share = if record.way == Way::Single.name() {
                1_000.0 / N_SINGLE as f64
            } else {
                1.0
            };
            match ours > 0.0 {
                true => format!("{:.1}", this * share / ours),
                false => "–".into(),
            }
        };
        let mutation = |cost: &Cost| cost.mutation_ms as f64;
        let processor = |cost: &Cost| cost.processor_ms.unwrap_or(0) as f64;
        let wall = |cost: &Cost| cost.wall_ms;
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            record.way,
            record.runs.len(),
            once.n_statements,
            once.n_mutations,
            once.parts_registered,
            once.parts_rewritten,
            seconds(record.median(mutation)),
            times(mutation),
            match once.processor_ms {
                Some(_) => seconds(record.median(processor)),
                None => "–".into(),
            },
            times(processor),
            seconds(record.median(wall)),
            times(wall),
            megabytes(record.median(|cost| cost.bytes_written as f64)),
            thousands(once.rows_deleted),
            megabytes(once.disk_bytes as f64),
            once.disk_reclaimed_bytes
                .map_or_else(|| "–".into(), |bytes| megabytes(bytes as f64)),
        )
        .unwrap();
    }
    text
}

/// The records of one size, in the order of the situations.
fn all_of(all: &Measurements, spans: u64) -> Vec<&Record> {
    let mut records = Vec::new();
    for (situation, layout) in situation::ALL {
        let find = |way: &Way| all.find(spans, layout.name(), situation.name(), way.name());
        records.extend(Way::of(situation).iter().filter_map(find));
    }
    records
}

/// Where the wall time of a cycle goes.
fn stages(records: &[&Record]) -> String {
    let mut text = String::new();
    for record in records {
        if record.runs.iter().any(|cost| cost.stages.is_none()) {
            continue;
        }
        if text.is_empty() {
            text += "\n**Where a cycle's time goes**, readers beside it: its queries by what they are for, and what is left of the wall time, \
                     Ebbtide's own and the ledger's.\n\n\
                     | situation | way | census | counts | proofs | statements | small questions | the rest | wall time |\n\
                     |---|---|---|---|---|---|---|---|---|\n";
        }
        let of = |which: fn(Stages) -> u64| {
            record.median(|cost| which(cost.stages.unwrap_or_default()) as f64)
        };
        let queries = |cost: &Cost| {
            let of = cost.stages.unwrap_or_default();
            (of.census + of.counts + of.proofs + of.statements + of.others) as f64
        };
        writeln!(
            text,
            "| {}, {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            record.situation,
            record.layout,
            record.way,
            seconds(of(|of| of.census)),
            seconds(of(|of| of.counts)),
            seconds(of(|of| of.proofs)),
            seconds(of(|of| of.statements)),
            seconds(of(|of| of.others)),
            seconds(record.median(|cost| (cost.wall_ms - queries(cost)).max(0.0))),
            seconds(record.median(|cost| cost.wall_ms)),
        )
        .unwrap();
    }
    text
}

fn reader_row(record: &Record) -> String {
    let traces = |phases: &Phases| {
        [phases.before, phases.during, phases.after]
            .map(|latency| format!("{:.0} / {}", latency.p50_ms, latency.worst()))
            .join(" | ")
    };
    let charts = |phases: &Phases| {
        [phases.before, phases.during, phases.after]
            .map(|latency| format!("{:.0}", latency.p50_ms))
            .join(" | ")
    };
    format!(
        "| {}, {} | {} | {} | {} |\n",
        record.situation,
        record.layout,
        record.way,
        traces(&record.traces),
        charts(&record.charts)
    )
}

fn seconds(ms: f64) -> String {
    format!("{:.2} s", ms / 1_000.0)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1_000_000.0)
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

/// 20000330 as 20,000,330.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
