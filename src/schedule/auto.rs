//! How many slots the day has where nobody chose a number.

use super::world::World;
use super::{Live, Sidecar};
use crate::config::SlotsPerDay;
use crate::engine::{EngineError, PlanRequest};
use crate::slot::{SlotRange, slots_per_day};

/// A slot of nobody: its plan is a census and nothing else.
const NOBODY: SlotRange = SlotRange { from: 0, to: 0 };

impl Sidecar {
    /// The number of slots: chosen, or found out once a day. It may differ between instances, and
    /// change at any time: what is done is remembered as places.
    pub(super) async fn n_slots(&mut self, live: &Live, world: &World) -> Result<u32, EngineError> {
        if let SlotsPerDay::Number(number) = live.config.slots_per_day {
            return Ok(number.max(1));
        }
        if self.auto.0 != world.day {
            let n_slots = self.count_slots(live, world).await?;
            tracing::info!(
                n_slots,
                day = world.day,
                "the number of slots was found out"
            );
            self.auto = (world.day.clone(), n_slots);
        }
        Ok(self.auto.1)
    }

    async fn count_slots(&self, live: &Live, world: &World) -> Result<u32, EngineError> {
        let request = PlanRequest {
            as_of: Some(world.now),
            slot: Some(NOBODY),
            with_totals: true,
            ..PlanRequest::default()
        };
        let plan = live.engine.plan(&request).await?;
        let workspaces = plan
            .tables
            .iter()
            .filter_map(|table| table.totals.n_workspaces);
        let n_workspaces = workspaces.max().unwrap_or(0);
        let mut n_parts: Vec<u64> = Vec::new();
        for shard in live.engine.warehouse().shards() {
            let tables = live.config.targets.iter();
            let tables: Vec<&str> = tables.map(|target| target.table.as_str()).collect();
            // Of a shard that is down nothing is known; the others are alike.
            let schemas = shard.schemas(&tables).await.unwrap_or_default();
            let parts: Vec<u64> = schemas.iter().map(|schema| schema.parts).collect();
            if parts.iter().sum::<u64>() > n_parts.iter().sum() {
                n_parts = parts;
            }
        }
        let per_statement = live.config.limits.workspaces_per_statement;
        Ok(slots_per_day(n_workspaces, &n_parts, per_statement))
    }
}
