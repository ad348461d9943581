//! Ebbtide as a library: rules in a ledger, plan and apply.

use std::sync::Arc;
use std::time::Duration;

use ebbtide::{
    Config, CycleKind, CycleReport, CycleStatus, Engine, FixedClock, ImportRule, Ledger,
    PlanRequest, Scope, SlotRange, Tenure, connect_ledger,
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::data::{MIDNIGHT_MS, N_WORKSPACES};
use crate::server::{DATABASE, Server};
use crate::situation::Due;

/// An engine with its rules, before the first cycle.
pub struct Ready {
    engine: Engine,
    ledger: Arc<dyn Ledger>,
    _folder: TempDir,
}

impl Ready {
    /// The defaults of the configuration, but that nothing needs an approval, a day's slots need not
    /// wait for each other, and the disk of this machine may be full.
    pub async fn new(server: &Server, table: &str, due: &[Due], is_hasty: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let same = due.len() == N_WORKSPACES as usize
            && due
                .iter()
                .all(|other| other.retention_days == due[0].retention_days);
        let default = match same {
            true => format!("{}d", due[0].retention_days),
            false => "unlimited".into(),
        };
        let pace = if is_hasty {
            ", statements_per_minute: 6000"
        } else {
            ""
        };
        let yaml = format!(
            "version: 1\n\
             clickhouse: {{shards: [{{url: \"{}\"}}], database: {DATABASE}}}\n\
             ledger: {{url: \"sqlite://{}/ledger.db\"}}\n\
             retention: {{approval: none, default: {default}}}\n\
             pace: {{backpressure: {{free_disk_share: 0}}{pace}}}\n\
             targets:\n\
             - {{table: {table}, workspace: workspace_id, project: project_id, age: {{uuid_v7: trace_id}}}}\n",
            server.url(),
            folder.path().display()
        );
        let config = Config::parse(&yaml).unwrap();
        let ledger = connect_ledger(&config.ledger.url, None).await.unwrap();
        ledger.migrate().await.unwrap();
        // Ten in the morning.
        let now = Timestamp::from_millisecond(MIDNIGHT_MS + 36_000_000).unwrap();
        if !same {
            let mut rules = due.iter().map(|due| {
                let created_at = due.from_ms.map(Timestamp::from_millisecond);
                Ok(ImportRule {
                    scope: Scope::Workspace(due.workspace().into()),
                    retention: format!("{}d", due.retention_days),
                    apply_to_past: due.from_ms.is_none(),
                    created_at: created_at.map(Result::unwrap),
                })
            });
            ledger.import_rules(&mut rules, "bench", now).await.unwrap();
        }
        let engine = Engine::new(&config, ledger.clone(), Arc::new(FixedClock(now))).unwrap();
        Self {
            engine,
            ledger,
            _folder: folder,
        }
    }

    /// One cycle.
    pub async fn run(&self) {
        let tenure = self.tenure().await;
        let never = CancellationToken::new();
        let (_, report) = self.engine.run(&tenure, &never).await.unwrap();
        check(&report);
        tenure.release().await.unwrap();
    }

    /// One cycle for each slot of a day.
    pub async fn run_slots(&self, per_day: u32) {
        self.engine.note_settings("bench").await.unwrap();
        let tenure = self.tenure().await;
        let never = CancellationToken::new();
        for number in 0..per_day {
            let request = PlanRequest::of_slot(SlotRange::of_slot(number, per_day));
            let plan = self.engine.plan(&request).await.unwrap();
            let applied = self.engine.apply(&plan, CycleKind::Slot, &tenure, &never);
            check(&applied.await.unwrap());
        }
        tenure.release().await.unwrap();
    }

    async fn tenure(&self) -> Tenure {
        let length = Duration::from_mins(5);
        Tenure::begin(&self.ledger, "bench", length).await.unwrap()
    }
}

fn check(report: &CycleReport) {
    let whole = report.status == CycleStatus::Done && report.unprobed.is_empty();
    assert!(whole, "{report:#?}");
}
