//! An import from YAML needs no more memory for many rules than for few.
//!
//! The test runs itself again in a process of its own, whose peak it can measure.

use std::io::Read;
use std::process::Command;

use ebbtide::{Days, ImportRule, Periods, RuleReader};

use super::{Fresh, at};

const MEASURED: &str = "EBBTIDE_TEST_MEMORY";
/// So many that their file is far larger than what a process grows by without it: the pages of its
/// program, and the cache of the database.
const N_RULES: u32 = 80_000;
const NAME_CHARS: usize = 500;

/// A file that exists only while it is read.
#[derive(Default)]
struct Generated {
    n_rules: u32,
    line: Vec<u8>,
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.line.is_empty() && self.n_rules < N_RULES {
            self.n_rules += 1;
            let name = format!("{:x<NAME_CHARS$}", self.n_rules);
            self.line = format!("- {{workspace: {name}, retention: 7d}}\n").into();
        }
        let n_read = buffer.len().min(self.line.len());
        buffer[..n_read].copy_from_slice(&self.line[..n_read]);
        self.line.drain(..n_read);
        Ok(n_read)
    }
}

/// The highest resident size of this process so far.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn import_and_measure() {
    let fresh = Fresh::sqlite().await;
    let one = Days::new(1).unwrap();
    let periods = Periods::new(Vec::<(&str, Days)>::new(), one).unwrap();
    let before = peak_kib();
    let mut rules = RuleReader::new(Generated::default(), &periods).map(|item| match item {
        Ok(entry) => Ok(ImportRule::from(entry)),
        Err(problem) => Err(problem.to_string()),
    });
    let now = at("2026-11-25T00:00:00Z");
    let imported = fresh
        .ledger
        .import_rules(&mut rules, "import", now)
        .await
        .unwrap();
    assert_eq!(imported.n_created, u64::from(N_RULES));
    let mut n_rules = 0;
    fresh
        .ledger
        .each_rule(false, &mut |_| n_rules += 1)
        .await
        .unwrap();
    assert_eq!(n_rules, N_RULES);
    println!("grew by {} KiB", peak_kib() - before);
}

#[tokio::test]
async fn an_import_is_streamed() {
    if std::env::var_os(MEASURED).is_some() {
        return import_and_measure().await;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "ledger::memory::an_import_is_streamed",
            "--exact",
            "--nocapture",
        ])
        .env(MEASURED, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (_, rest) = said.split_once("grew by ").unwrap();
    let growth_kib: u64 = rest.split_whitespace().next().unwrap().parse().unwrap();
    let file_kib = u64::from(N_RULES) * u64::try_from(NAME_CHARS).unwrap() / 1024;
    assert!(
        growth_kib < file_kib / 2,
        "{growth_kib} KiB for a file of {file_kib} KiB"
    );
}
