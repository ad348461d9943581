//! What was measured, as it is kept in `docs/benchmarks/clickhouse.json`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::reader::Reads;
use crate::run::Cost;

/// All measurements, and where they were made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measurements {
    pub machine: String,
    pub server_version: String,
    pub records: Vec<Record>,
}

/// The runs of one way in one situation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub spans: u64,
    pub layout: String,
    pub n_parts: u64,
    pub situation: String,
    pub way: String,
    /// The load of the machine (one minute) when this was over: others may have used it too.
    pub load: f64,
    pub runs: Vec<Cost>,
    /// Of all runs together.
    pub traces: Phases,
    pub charts: Phases,
}

/// Milliseconds of reads before, during and after a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Phases {
    pub before: Latency,
    pub during: Latency,
    pub after: Latency,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Latency {
    pub n: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Latency {
    pub fn of(took: &[f64]) -> Self {
        let mut took = took.to_vec();
        took.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let index = ((took.len().max(1) - 1) as f64 * share).round() as usize;
            let ms = took.get(index).copied().unwrap_or(0.0);
            (ms * 100.0).round() / 100.0
        };
        Self {
            n: took.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        }
    }
}

impl Latency {
    /// The 99th of a hundred; of fewer the longest, which says less.
    pub fn worst(&self) -> String {
        let mark = if self.n < 100 { "≤" } else { "" };
        format!("{mark}{:.0}", self.p99_ms)
    }
}

impl Phases {
    pub fn of(reads: [&Reads; 3], which: fn(&Reads) -> &Vec<f64>) -> Self {
        let [before, during, after] = reads.map(|reads| Latency::of(which(reads)));
        Self {
            before,
            during,
            after,
        }
    }
}

impl Record {
    /// The median of the runs.
    pub fn median(&self, of: impl Fn(&Cost) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    }

    pub fn first(&self) -> &Cost {
        &self.runs[0]
    }
}

impl Measurements {
    fn path() -> PathBuf {
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/docs/benchmarks/clickhouse.json"
        )
        .into()
    }

    /// Those that are kept.
    pub fn read() -> Self {
        std::fs::read_to_string(Self::path())
            .map(|text| serde_json::from_str(&text).unwrap())
            .unwrap_or_default()
    }

    /// Takes the place of what was measured of the same.
    pub fn put(&mut self, record: Record) {
        let key = |record: &Record| {
            let Record {
                spans,
                layout,
                situation,
                way,
                ..
            } = record.clone();
            (spans, layout, situation, way)
        };
        self.records.retain(|other| key(other) != key(&record));
        self.records.push(record);
    }

    pub fn write(&self) {
        let text = serde_json::to_string_pretty(self).unwrap();
        std::fs::create_dir_all(Self::path().parent().unwrap()).unwrap();
        std::fs::write(Self::path(), text + "\n").unwrap();
    }

    pub fn find(&self, spans: u64, layout: &str, situation: &str, way: &str) -> Option<&Record> {
        self.records.iter().find(|record| {
            record.spans == spans
                && record.layout == layout
                && record.situation == situation
                && record.way == way
        })
    }
}
