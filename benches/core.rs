//! The pure stages for a million workspaces and a hundred thousand rules: resolve, plan, compile.
//!
//! `cargo bench` prints the times; before them, one pass prints the peak memory of this process.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and its input is made up"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion};
use ebbtide::{
    AgeColumn, AgeKind, CensusRow, CheckedTarget, Days, Directory, Limits, NameColumn, Plan,
    Retention, Rule, RuleSet, Scope, Snapshot, TableInventory, Terms, TextKind, Totals, Ways,
    candidates, compile, decide, resolve,
};
use jiff::Timestamp;

const N_WORKSPACES: usize = 1_000_000;
const N_RULES: usize = 100_000;
const N_ORGANIZATIONS: usize = 5_000;
/// 2026-11-21, 10:00 UTC.
const NOW_MS: i64 = 1_795_255_200_000;
const DAY_MS: i64 = 86_400_000;

fn main() {
    let world = World::new();
    let started = Instant::now();
    let plan = world.plan();
    let bytes = compile_all(&world.target, &plan);
    println!(
        "one pass: {:.2} s, {} steps, {} MB of SQL, peak memory of the process {} MB",
        started.elapsed().as_secs_f64(),
        plan.steps.len(),
        bytes / 1_000_000,
        peak_memory_kib() / 1_000
    );
    drop(plan);

    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    criterion.bench_function(
        "resolve, plan and compile 1,000,000 workspaces",
        |bencher| {
            bencher.iter(|| compile_all(&world.target, &world.plan()));
        },
    );
    criterion.bench_function("resolve 1,000,000 workspaces", |bencher| {
        bencher.iter(|| black_box(world.candidates().len()));
    });
    criterion.bench_function("decide on 1,000,000 arms", |bencher| {
        bencher.iter_batched(
            || world.inventory(),
            |inventory| black_box(world.decide(inventory).steps.len()),
            BatchSize::PerIteration,
        );
    });
    let plan = world.plan();
    criterion.bench_function("compile 1,000,000 arms", |bencher| {
        bencher.iter(|| compile_all(&world.target, &plan));
    });
    criterion.final_summary();
}

/// What a cycle of that size has in memory before it decides.
struct World {
    now: Timestamp,
    rules: RuleSet,
    directory: Directory,
    default: Retention,
    census: Vec<CensusRow>,
    target: CheckedTarget,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_millisecond(NOW_MS).expect("an instant");
        let days = |days: u32| Retention::Days {
            days: Days::new(days).expect("days"),
            period: None,
        };
        let rules = (0..N_RULES).map(|number| Rule {
            id: u64::try_from(number).expect("a small number"),
            scope: match number {
                n if n < N_ORGANIZATIONS => Scope::Organization(organization(n).into()),
                n => Scope::Workspace(workspace(n * 7 % N_WORKSPACES).into()),
            },
            retention: match number % 10 {
                0 => Retention::Unlimited,
                n => days(7 * u32::try_from(n).expect("a digit")),
            },
            apply_to_past: number % 4 != 0,
            created_at: Timestamp::from_millisecond(
                NOW_MS - (100 + i64::try_from(number % 300).expect("a small number")) * DAY_MS,
            )
            .expect("an instant"),
        });
        let rules = RuleSet::new(rules).expect("distinct scopes");
        let directory = Directory::new(
            (0..N_WORKSPACES)
                .map(|number| (workspace(number), organization(number % N_ORGANIZATIONS))),
        )
        .expect("distinct workspaces");
        let census = (0..N_WORKSPACES)
            .map(|number| CensusRow {
                workspace: workspace(number).into(),
                is_readable: true,
                n_rows: 10_000,
                n_undatable: 0,
                n_future: 0,
                oldest_ms: Some(NOW_MS - 500 * DAY_MS),
            })
            .collect();
        let name = |name: &str| NameColumn {
            name: name.into(),
            kind: TextKind::String,
            nullable: false,
        };
        let target = CheckedTarget {
            database: "default".into(),
            table: "traces".into(),
            workspace: name("workspace_id"),
            project: Some(name("project_id")),
            age: AgeColumn {
                name: "id".into(),
                kind: AgeKind::UuidText,
            },
            keep: vec![],
            ways: Ways::default(),
        };
        Self {
            now,
            rules,
            directory,
            default: days(90),
            census,
            target,
        }
    }

    fn candidates(&self) -> Vec<ebbtide::Arm> {
        let policies = resolve(&self.rules, &self.directory, &self.default);
        candidates(&self.target, &self.census, &Terms::new(&policies, self.now)).due
    }

    fn inventory(&self) -> TableInventory {
        let mut arms = self.candidates();
        for arm in &mut arms {
            arm.n_due = 100;
        }
        TableInventory {
            shard: Arc::from("http://127.0.0.1:8123"),
            table: Arc::from("traces"),
            totals: Totals::of(&self.census),
            arms,
            ..TableInventory::default()
        }
    }

    fn decide(&self, inventory: TableInventory) -> Plan {
        let policies = resolve(&self.rules, &self.directory, &self.default);
        let terms = Terms::new(&policies, self.now);
        let snapshot = Snapshot {
            terms: &terms,
            revision: 1,
            tables: vec![(&self.target, inventory)],
            unprobed: vec![],
        };
        decide(snapshot, &Limits::default())
    }

    fn plan(&self) -> Plan {
        self.decide(self.inventory())
    }
}

fn workspace(number: usize) -> String {
    // As long as a UUID in text.
    format!("018f3a5c-0000-7000-8000-{number:012}")
}

fn organization(number: usize) -> String {
    format!("organization-{number:05}")
}

fn compile_all(target: &CheckedTarget, plan: &Plan) -> usize {
    plan.steps
        .iter()
        .map(|step| {
            compile(target, &step.arms, "ebbtide:retention:traces:1")
                .sql
                .len()
        })
        .sum()
}

/// The high-water mark of this process's resident memory.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let digits = line.map(|line| {
        line.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    });
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
