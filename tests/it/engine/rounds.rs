//! A cycle that is planned again and again has one budget.

use std::sync::atomic::{AtomicU32, Ordering};

use ebbtide::{Config, CycleStatus, Event, NewRule, Scope};

use super::change::small;
use super::world::{NOW, World, at, run};
use crate::support::block_on;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_is_one_for_all_rounds() {
    let world = World::new().await;
    let names = ["w0", "w1", "w2", "w3"];
    for name in names {
        world.rule(name, "30d").await;
    }
    // Enough for the first plan: a statement for each workspace in each table.
    let budget = "max_share_of_table: 0.9, budget: {statements: 8}";
    let yaml = world.yaml.replace("max_share_of_table: 0.9", budget);
    let config = Config::parse(&small(&yaml)).unwrap();
    let (ledger, n_days) = (world.ledger.clone(), AtomicU32::new(29));
    // After each statement everybody has another day due, so what is left of the plan is another one.
    let engine = world.engine_with(&config, NOW).observed_by(move |event| {
        if !matches!(event, Event::StepFinished { .. }) {
            return;
        }
        let retention = format!("{}d", n_days.fetch_sub(1, Ordering::Relaxed).max(5));
        for name in names {
            let rule = NewRule {
                scope: Scope::Workspace(name.into()),
                retention: retention.clone(),
                apply_to_past: true,
                created_at: at(NOW),
            };
            block_on(ledger.create_rule(&rule, "test".into())).unwrap();
        }
    });
    let (_, report) = run(&engine).await.unwrap();
    assert_eq!(report.status, CycleStatus::Deferred, "{report:#?}");
    assert!(report.n_statements() > 1, "{report:#?}");
    assert!(report.n_statements() <= 8, "{report:#?}");
}
