//! Counting what is due. What is too much for one look is narrowed: fewer arms at once where that reads
//! less, and else only their oldest rows. The next plan of the day begins as this one ends.
//!
//! Invariant: an arm is counted in exactly the interval that it has afterwards, and what of it was not
//! counted is said. Where nothing that may go could be counted that is an error: unknown, never nothing.

mod counted;
mod due;
mod known;
mod left;
mod narrow;
mod oldest;

use std::sync::Arc;

use self::due::tally_up;
use super::halve::{Halves, Patience};
use super::of_day::Of;
use super::tally::Tally;
use super::{Engine, error_chain};
use crate::compile::Within;
use crate::plan::{Arm, Census, Slice, pack};
use crate::target::CheckedTarget;
use crate::warehouse::{Shard, WarehouseError};

pub(super) use self::counted::Counted;
pub(super) use self::known::KnownLooks;
pub(super) use self::oldest::Oldest;

/// Where what is counted is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) shard: &'a Shard,
    pub(super) target: &'a CheckedTarget,
    pub(super) within: Within<'a>,
    /// What is known of it already.
    pub(super) census: &'a Census,
    /// The oldest rows of the workspaces.
    pub(super) oldest: &'a Oldest<'a>,
}

impl<'a> Place<'a> {
    /// The same without some partitions.
    pub(super) fn except(self, ids: &'a [Arc<str>]) -> Self {
        Self {
            within: Within::Except(ids),
            ..self
        }
    }
}

/// What is to be counted.
struct Work {
    /// Arms of one statement each, and slices of those that were begun; what comes next stands last.
    statements: Vec<Vec<Arm>>,
    slices: Vec<Narrowed>,
}

/// A slice, and whether more than it was too much.
struct Narrowed {
    slice: Slice,
    was_too_much: bool,
}

impl Engine {
    /// Counts what does not go now, for any number of arms, as far as it can be counted.
    pub(super) async fn count_aside(
        &self,
        place: Place<'_>,
        arms: Vec<Arm>,
        patience: &mut Patience,
    ) -> Result<Counted, WarehouseError> {
        let mut unseen = Tally::default();
        let counted = self.count_packed(place, arms, patience, &mut unseen);
        let counted = counted.await?;
        if let Some((_, reason)) = counted.unknown.first() {
            let (shard, table) = (place.shard.name(), &*place.target.table);
            tracing::warn!(
                shard,
                table,
                reason,
                "not all of what is held, paused or waits could be counted"
            );
        }
        Ok(counted)
    }

    /// Counts what is due for any number of arms, or the oldest of it.
    pub(super) async fn count_packed(
        &self,
        place: Place<'_>,
        arms: Vec<Arm>,
        patience: &mut Patience,
        tally: &mut Tally,
    ) -> Result<Counted, WarehouseError> {
        let Place { shard, target, .. } = place;
        let mut counted = Counted::default();
        let mut arms = counted.tell(place, arms, tally);
        let of = Of::new(shard, target, self.clock.now());
        counted.unknown = self.looks.take_unknown(of, &mut arms);
        let packed = pack(arms, target, &self.limits);
        counted.oversized = packed.oversized;
        let mut work = Work::of(packed.statements);
        // How far others were counted that are too much together.
        let mut end_ms = i64::MAX;
        while let Some(next) = work.next(|arms| self.first_looks(place, of, arms)) {
            let Narrowed {
                mut slice,
                was_too_much,
            } = next;
            let is_cut = patience.is_over();
            if is_cut {
                slice = slice.up_to(end_ms);
            }
            let older = slice.older();
            match self.due_rows(shard, target, &older, place.within).await {
                Ok(rows) => {
                    let is_any = rows.iter().any(|(_, row)| row.n_due > 0);
                    counted.add(older, &rows, tally);
                    // How far others were counted says nothing of these.
                    if !is_cut {
                        self.looks.counted(of, &slice, was_too_much);
                    }
                    let younger = slice.younger();
                    if is_any || patience.is_over() {
                        end_ms = end_ms.min(slice.end_ms().unwrap_or(i64::MAX));
                        counted.uncounted.extend(younger);
                    } else {
                        // What stays for ever must not hide what is behind it.
                        let packed = pack(younger, target, &self.limits);
                        counted.oversized.extend(packed.oversized);
                        work.statements.extend(packed.statements);
                    }
                }
                Err(error) if error.is_out_of_limits() => {
                    patience.pay(&error);
                    let narrower = self.narrower(place, &slice).await?;
                    if narrower.is_empty() {
                        self.give_up(of, slice, &error, &mut counted);
                    } else if patience.is_over() {
                        for next in narrower {
                            let length_ms = next.length_ms();
                            self.looks.begin_with(of, next.arms(), length_ms);
                        }
                        counted.uncounted.extend(slice.into_arms());
                    } else {
                        work.push(narrower);
                    }
                    counted.too_much = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(counted)
    }

    /// What is looked at first of the arms of a statement, group by group.
    fn first_looks(&self, place: Place<'_>, of: Of<'_>, arms: Vec<Arm>) -> Vec<Slice> {
        let unit_ms = place.target.age.kind.unit_ms();
        let groups = self.looks.groups(of, arms).into_iter();
        let begin = groups.map(|group| {
            let slice = Slice::all(group.arms);
            if !group.is_known && group.length_ms.is_none() {
                return slice;
            }
            let oldest_ms = |workspace: &str| place.oldest.ms(workspace);
            let first = slice.first(group.length_ms, oldest_ms, unit_ms);
            first.unwrap_or(slice)
        });
        begin.collect()
    }

    /// Leaves a slice that is too much, however little it is. Of a workspace by itself everybody hears why.
    fn give_up(&self, of: Of<'_>, slice: Slice, error: &WarehouseError, counted: &mut Counted) {
        let mut arms = slice.into_arms();
        match arms.pop() {
            Some(arm) if arms.is_empty() => {
                let reason = error_chain(error);
                self.looks.unknown(of, &arm, &reason);
                counted.unknown.push((arm, reason));
            }
            last => {
                counted.uncounted.append(&mut arms);
                counted.uncounted.extend(last);
            }
        }
    }

    /// Counts what is due for arms of one statement, and fills the counts in. Returns the rows due. Arms
    /// that were counted apart may be too much together: then they are counted apart again.
    pub(super) async fn count(
        &self,
        shard: &Shard,
        target: &CheckedTarget,
        arms: &mut [Arm],
        within: Within<'_>,
    ) -> Result<u64, WarehouseError> {
        let mut unseen = Tally::default();
        let mut patience = Patience::new();
        let mut n_due = 0;
        let of = Of::new(shard, target, self.clock.now());
        let groups = self.looks.groups(of, arms.iter_mut().collect());
        let mut halves = Halves::of(groups.into_iter().map(|group| group.arms));
        while let Some(mut some) = halves.next() {
            let mut counted: Vec<Arm> = some.items.iter().map(|arm| (**arm).clone()).collect();
            match self.due_rows(shard, target, &counted, within).await {
                Ok(rows) => {
                    tally_up(&mut counted, &rows, 0, &mut unseen);
                    n_due += counted.iter().map(|arm| arm.n_due).sum::<u64>();
                    if some.is_half {
                        self.looks.together(of, &counted);
                    }
                    for (arm, counted) in some.items.iter_mut().zip(counted) {
                        **arm = counted;
                    }
                }
                Err(error) => {
                    if halves.halve(some, &error, &mut patience).is_err() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(n_due)
    }
}

impl Work {
    fn of(mut statements: Vec<Vec<Arm>>) -> Self {
        statements.reverse();
        Self {
            statements,
            slices: Vec::new(),
        }
    }

    /// What comes next; who knows how the arms of a statement are begun is asked.
    fn next(&mut self, first_looks: impl Fn(Vec<Arm>) -> Vec<Slice>) -> Option<Narrowed> {
        while self.slices.is_empty() {
            let begun = first_looks(self.statements.pop()?);
            let begun = begun.into_iter().rev();
            self.slices.extend(begun.map(|slice| Narrowed {
                slice,
                was_too_much: false,
            }));
        }
        self.slices.pop()
    }

    /// Less than what was too much, the first of it last.
    fn push(&mut self, narrower: Vec<Slice>) {
        self.slices
            .extend(narrower.into_iter().map(|slice| Narrowed {
                slice,
                was_too_much: true,
            }));
    }
}
