//! The targets, and whether they are met.

use crate::data::Layout;
use crate::record::Measurements;
use crate::situation::Situation;
use crate::way::Way;

/// A target on one comparison.
pub struct Target {
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// None: there is nothing to reach, only to show.
    pub is_met: Option<bool>,
}

impl Target {
    pub fn verdict(&self) -> &'static str {
        match self.is_met {
            Some(true) => "met",
            Some(false) => "not met",
            None => "shown",
        }
    }
}

/// All targets that something was measured for.
pub fn targets(all: &Measurements, spans: u64) -> Vec<Target> {
    let layouts = [Layout::Unpartitioned, Layout::Weekly, Layout::Daily];
    let found = |situation: Situation, layout: Layout, way: Way| {
        all.find(spans, layout.name(), situation.name(), way.name())
    };
    let mut targets = Vec::new();
    for layout in layouts {
        let name = layout.name();
        if let Some(record) = found(Situation::NothingDue, layout, Way::Ebbtide) {
            let wall_s = record.median(|cost| cost.wall_ms) / 1_000.0;
            let n_mutations = record.first().n_mutations;
            targets.push(Target {
                what: format!("nothing due, {name}: no mutation, under 1 s for 1,000 workspaces"),
                seen: format!("{n_mutations} mutations, {wall_s:.2} s"),
                is_met: Some(n_mutations == 0 && wall_s < 1.0),
            });
        }
        let from_now_on = |way| found(Situation::FromNowOn, layout, way);
        if let (Some(ours), Some(theirs)) = (from_now_on(Way::Ebbtide), from_now_on(Way::Opik)) {
            let ratio = theirs.median(|cost| cost.mutation_ms as f64)
                / ours.median(|cost| cost.mutation_ms as f64);
            targets.push(Target {
                what: format!(
                    "`apply_to_past: false` for 500 workspaces, {name}: mutation time at least 10 times \
                     less than that of 500 pairs in an OR"
                ),
                seen: format!("{ratio:.1} times"),
                is_met: Some(ratio >= 10.0),
            });
        }
        for situation in [Situation::WholePartitions, Situation::Window] {
            let wall = |way| {
                found(situation, layout, way).map(|record| record.median(|cost| cost.wall_ms))
            };
            for way in [Way::Ebbtide, Way::EbbtidePatches] {
                let (Some(ours), Some(theirs)) = (wall(way), wall(Way::Opik)) else {
                    continue;
                };
                targets.push(Target {
                    what: format!(
                        "98 partitions, {}, {}: wall time at least 10 times less than that of Opik's statement",
                        situation.name(),
                        way.name()
                    ),
                    seen: format!("{:.1} times", theirs / ours),
                    is_met: Some(theirs >= 10.0 * ours),
                });
            }
            if let (Some(ours), Some(limit)) = (wall(Way::Ebbtide), wall(Way::Drop)) {
                targets.push(Target {
                    what: format!(
                        "98 partitions, {}: wall time at most 3 times that of `DROP PARTITION`",
                        situation.name()
                    ),
                    seen: format!("{:.1} times", ours / limit),
                    is_met: Some(ours <= 3.0 * limit),
                });
            }
        }
        let day = |way| found(Situation::Day, layout, way).map(crate::record::Record::first);
        if let (Some(one), Some(slots)) = (day(Way::Ebbtide), day(Way::EbbtideSlots)) {
            targets.push(Target {
                what: format!("a day of 48 slots against one of `auto`, {name}"),
                seen: format!(
                    "{} mutations and {} parts registered against {} and {}",
                    slots.n_mutations,
                    slots.parts_registered,
                    one.n_mutations,
                    one.parts_registered
                ),
                is_met: None,
            });
        }
        let sending = [
            Situation::OneCutoff,
            Situation::FromNowOn,
            Situation::WholePartitions,
            Situation::Window,
        ];
        let sending = sending.map(|situation| (situation, found(situation, layout, Way::Ebbtide)));
        for (situation, record) in sending {
            let Some(record) = record else { continue };
            let (idle, busy) = (record.traces.before, record.traces.during);
            let ratio = busy.p99_ms / idle.p99_ms;
            targets.push(Target {
                what: format!(
                    "opening a trace during a cycle, {}, {name}: p99 at most 1.3 times that of an idle server",
                    situation.name()
                ),
                seen: format!(
                    "{ratio:.2} times ({} ms of {} reads, {} ms of {} idle; ≤: the longest of fewer than a hundred)",
                    busy.worst(), busy.n, idle.worst(), idle.n
                ),
                is_met: Some(ratio <= 1.3),
            });
        }
    }
    targets
}
