//! Ways to delete what is due from ClickHouse, side by side on the same data: those of others, and
//! Ebbtide's. Prints what each cost and whether the targets are met; writes the tables of
//! `docs/benchmarks.md` and the raw data to `docs/benchmarks/clickhouse.json`, after each situation,
//! so that an interrupted run keeps what it has.
//!
//! Each run begins with a clone of the same parts. Ways take turns, so that a machine that is slow
//! for a while is slow for all of them. All must delete equally many rows.
//!
//! See `benches/clickhouse/options.rs` for what can be chosen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::match_bool,
    unreachable_pub,
    missing_docs,
    reason = "a benchmark says what is wrong by failing, and prints its figures"
)]

#[path = "clickhouse/data.rs"]
mod data;
#[path = "clickhouse/engine.rs"]
mod engine;
#[path = "clickhouse/options.rs"]
mod options;
#[path = "clickhouse/reader.rs"]
mod reader;
#[path = "clickhouse/record.rs"]
mod record;
#[path = "clickhouse/report.rs"]
mod report;
#[path = "clickhouse/run.rs"]
mod run;
#[path = "clickhouse/server.rs"]
mod server;
#[path = "clickhouse/situation.rs"]
mod situation;
#[path = "clickhouse/target.rs"]
mod target;
#[path = "clickhouse/way.rs"]
mod way;

use std::time::Duration;

use data::{Layout, Pristine};
use options::Options;
use reader::{Reader, Reads};
use record::{Latency, Measurements, Phases, Record};
use run::{Cost, ReadsOfRun, run};
use server::Server;
use situation::Situation;
use way::Way;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(&Options::of_environment()));
}

async fn measure(options: &Options) {
    let server = Server::start(&options.directory, options.niceness).await;
    let mut all = Measurements::read();
    all.machine = machine();
    let version = server.query("SELECT version()").fetch_one::<String>();
    all.server_version = version.await.unwrap();
    for &spans in &options.sizes {
        for (situation, layout) in situation::ALL {
            let name = format!("{} {}", situation.name(), layout.name());
            if !options.only.iter().any(|text| name.contains(text)) {
                continue;
            }
            for record in compare(&server, spans, situation, layout, options).await {
                all.put(record);
            }
            all.write();
            report::write(&all);
        }
        for target in target::targets(&all, spans) {
            println!("{}: {} ({})", target.verdict(), target.what, target.seen);
        }
    }
    report::write(&all);
}

/// All ways in one situation.
async fn compare(
    server: &Server,
    spans: u64,
    situation: Situation,
    layout: Layout,
    options: &Options,
) -> Vec<Record> {
    let pristine = Pristine::make(server, spans, layout).await;
    let due = situation.due();
    let reader = Reader::of(server, &pristine, &due).await;
    println!(
        "{} spans, {} ({} parts): {}",
        report::thousands(spans),
        layout.name(),
        pristine.n_parts,
        situation.what()
    );
    let ways = Way::of(situation);
    let mut runs: Vec<(Vec<Cost>, ReadsOfRun)> = vec![<_>::default(); ways.len()];
    for number in 0..options.n_runs {
        for (way, (costs, reads)) in ways.iter().zip(&mut runs) {
            let took = |cost: &Cost| Duration::from_secs_f64(cost.wall_ms / 1_000.0);
            if costs
                .first()
                .is_some_and(|first| took(first) > options.patience)
            {
                continue;
            }
            let is_first = number == 0;
            let with_reclaim = is_first && situation.is_reclaimed();
            let run = run(
                server,
                &pristine,
                &reader,
                *way,
                &due,
                (is_first, with_reclaim),
            );
            let (cost, read) = run.await;
            let [idle, busy] = [&read.before, &read.during].map(|reads| Latency::of(&reads.traces));
            println!(
                "  {}: {:.2} s, {} mutations, {} of {} parts rewritten, mutation {:.2} s, processor {:.2} s, {} rows; \
                 traces in {:.0} / {:.0} ms, {:.0} / {:.0} before",
                way.name(),
                cost.wall_ms / 1_000.0,
                cost.n_mutations,
                cost.parts_rewritten,
                cost.parts_registered,
                cost.mutation_ms as f64 / 1_000.0,
                cost.processor_ms.unwrap_or(0) as f64 / 1_000.0,
                report::thousands(cost.rows_deleted),
                busy.p50_ms,
                busy.p99_ms,
                idle.p50_ms,
                idle.p99_ms
            );
            costs.push(cost);
            reads.extend(&read);
        }
    }
    check_rows(situation, &ways, &runs);
    let load = load();
    ways.iter()
        .zip(runs)
        .map(|(way, (runs, reads))| {
            let phases = [&reads.before, &reads.during, &reads.after];
            Record {
                spans,
                layout: layout.name().into(),
                n_parts: pristine.n_parts,
                situation: situation.name().into(),
                way: way.name().into(),
                load,
                runs,
                traces: Phases::of(phases, |reads: &Reads| &reads.traces),
                charts: Phases::of(phases, |reads: &Reads| &reads.charts),
            }
        })
        .collect()
}

/// Ways with the same meaning delete the same number of rows.
fn check_rows(situation: Situation, ways: &[Way], runs: &[(Vec<Cost>, ReadsOfRun)]) {
    let expected = runs[0].0[0].rows_deleted;
    assert_eq!(expected == 0, situation == Situation::NothingDue);
    for (way, (costs, _)) in ways.iter().zip(runs) {
        let is_share = *way == Way::Single;
        for cost in costs {
            let rows = cost.rows_deleted;
            assert!(
                is_share || rows == expected,
                "{way:?}: {rows}, not {expected}"
            );
        }
    }
}

fn machine() -> String {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let n_cores = std::thread::available_parallelism().unwrap();
    let model = value(&text("/proc/cpuinfo"), "model name");
    let memory = value(&text("/proc/meminfo"), "MemTotal");
    let memory_kb: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    format!(
        "{n_cores} cores of {model}, {} GB of memory",
        memory_kb / 1_000_000
    )
}

/// Of the last minute.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(0.0)
}
