//! Going on with a cycle after the ledger moved on: with what its plan and the rules of now both say.
//!
//! Invariant: a renewal only leaves things out. The next statement is fenced by the revision whose
//! rules were read; whoever writes faster than they are read makes a cycle wait, never send.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use foldhash::HashSet;

use super::apply::Cycle;
use super::backfill::Books;
use super::{CycleStatus, Engine, EngineError, Event};
use crate::ledger::Intended;
use crate::plan::{Arm, Method, Plan, Step, Still, Terms, goes_whole, still_due};
use crate::resolve::resolve;
use crate::rule::RuleId;
use crate::target::CheckedTarget;

/// So many attempts follow each other at once.
const AT_ONCE: usize = 3;
/// The first pause between later ones; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause, before chance is added.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// After so long without a gap it says why nothing happens.
const SAYS_SO_AFTER: Duration = Duration::from_secs(30);
/// After so long it gives up: the cycle ends as stale.
const GIVES_UP_AFTER: Duration = Duration::from_mins(5);

/// Rules, directory, guards and base of the revision that a cycle goes on under.
pub(super) struct Renewed {
    books: Books,
}

/// What the ledger of now leaves out of a cycle.
#[derive(Default)]
pub(super) struct Moved {
    /// Nothing while the ledger is as it was when the plan was made.
    pub(super) renewed: Option<Renewed>,
    /// Workspaces of the shard of which something was left out: their parents stay in this cycle.
    workspaces: HashSet<Arc<str>>,
    /// Whole partitions of the shard were left out, with rows of anybody.
    everybody: bool,
    /// Whether anything was left out, on any shard.
    pub(super) is_anything: bool,
}

impl Renewed {
    /// The retention of a rule as a person wrote it.
    pub(super) fn retention(&self, rule: RuleId) -> Option<String> {
        let mut rules = self.books.rulebook.rules.iter();
        let rule = rules.find(|other| other.id == rule)?;
        Some(rule.retention.to_string())
    }

    /// What the terms of now, with the cutoffs of a plan, say about the last of some targets.
    fn with_terms<T>(
        &self,
        shard: &str,
        targets: &[CheckedTarget],
        plan: &Plan,
        say: impl FnOnce(&Terms<'_>) -> T,
    ) -> T {
        let Books {
            rulebook,
            base,
            default,
        } = &self.books;
        let policies = resolve(&rulebook.rules, &rulebook.directory, default);
        let of_base = base.policies(rulebook);
        let terms = Terms {
            // The same cutoffs, for the same workspaces.
            now: plan.as_of,
            made_at: plan.made_at,
            policies: &policies,
            basis: plan.basis,
            backfill: plan.backfill.as_ref(),
            base: base.as_base(of_base.as_ref()),
            guards: &rulebook.guards,
            slot: plan.slot,
            with_totals: false,
        };
        let table = targets.last().map_or("", |target| &*target.table);
        say(&terms.of_table(shard, table))
    }
}

impl Moved {
    /// Another shard has tables of its own.
    pub(super) fn begin_shard(&mut self) {
        self.workspaces.clear();
        self.everybody = false;
    }

    /// What may still go of these arms of a step on the last of some targets, which are the first of
    /// its shard; nothing if that is nothing. Whole partitions have no arms to leave out: they go as
    /// they are, or not at all.
    pub(super) fn allowed(
        &mut self,
        step: &Step,
        mut arms: Vec<Arm>,
        targets: &[CheckedTarget],
        plan: &Plan,
    ) -> Option<Vec<Arm>> {
        let Some(renewed) = &self.renewed else {
            return Some(arms);
        };
        if self.everybody {
            return None;
        }
        if step.method == Method::Partition {
            let goes = |terms: &Terms<'_>| goes_whole(step, targets, terms);
            let goes =
                self.workspaces.is_empty() && renewed.with_terms(&step.shard, targets, plan, goes);
            if !goes {
                self.leave_whole();
            }
            return goes.then_some(arms);
        }
        arms.retain(|arm| !self.workspaces.contains(&arm.workspace));
        let still: Still = renewed.with_terms(&step.shard, targets, plan, |terms| {
            still_due(arms, targets, terms)
        });
        self.is_anything |= !still.left_out.is_empty();
        let left_out = still.left_out.into_iter().map(|arm| arm.workspace);
        self.workspaces.extend(left_out);
        (!still.due.is_empty()).then_some(still.due)
    }

    /// Leaves out whole partitions: everybody's parents stay, and the rest is planned again.
    pub(super) fn leave_whole(&mut self) {
        self.everybody = true;
        self.is_anything = true;
    }
}

impl Engine {
    /// Reads the ledger anew and moves the cycle to its revision, again and again until nothing
    /// changes in between; or the status that the cycle ends with.
    pub(super) async fn renew(
        &self,
        cycle: &Cycle<'_>,
        patience: &mut Patience,
    ) -> Result<Result<Renewed, CycleStatus>, EngineError> {
        loop {
            let waited = patience.began_at.elapsed();
            let Some(pause) = patience.pause(waited) else {
                return Ok(Err(CycleStatus::Stale));
            };
            cycle.unless_halted(tokio::time::sleep(pause)).await;
            (self.observer)(&Event::Throttled {
                reason: "ledger",
                length: pause,
            });
            if let Some(status) = cycle.halt() {
                return Ok(Err(status));
            }
            let books = match self.books(cycle.plan.backfill.as_ref()).await {
                Ok(books) => books,
                Err(EngineError::Unsettled { .. }) => continue,
                Err(error) => return Err(error),
            };
            let rulebook = &books.rulebook;
            let (revision, digest) = (rulebook.revision, rulebook.rules.digest());
            let renewal = self.ledger.renew_cycle(&cycle.id, revision, &digest);
            match renewal.await? {
                Intended::Recorded => {
                    tracing::info!(revision, "the ledger moved on; the cycle goes on with it");
                    return Ok(Ok(Renewed { books }));
                }
                Intended::Stale => {}
                Intended::LeaseLost => return Ok(Err(CycleStatus::LeaseLost)),
            }
        }
    }
}

/// How long to wait between attempts at one statement that changes of the ledger come before: not at
/// all at first, then longer each time and never for a fixed time, to find a gap.
#[derive(Debug)]
pub(super) struct Patience {
    began_at: Instant,
    n_attempts: usize,
    has_said_so: bool,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            began_at: Instant::now(),
            n_attempts: 0,
            has_said_so: false,
        }
    }

    /// How long to wait before the next attempt; nothing when it has taken too long.
    fn pause(&mut self, waited: Duration) -> Option<Duration> {
        if waited >= SAYS_SO_AFTER && !self.has_said_so {
            self.has_said_so = true;
            tracing::warn!(
                n_attempts = self.n_attempts,
                "the ledger changes faster than its rules can be read; the statement waits for a gap"
            );
        }
        self.n_attempts += 1;
        let Some(nth) = self.n_attempts.checked_sub(AT_ONCE + 1) else {
            return Some(Duration::ZERO);
        };
        let pauses = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times();
        let pause = pauses.build().nth(nth.min(16)).unwrap_or(LONGEST_PAUSE);
        (waited < GIVES_UP_AFTER).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_late_grow_and_have_a_bound() {
        let mut patience = Patience::new();
        let mut pause = || patience.pause(Duration::ZERO).unwrap().as_millis();
        let pauses: Vec<u128> = (0..40).map(|_| pause()).collect();
        assert_eq!(pauses[..3], [0, 0, 0]);
        assert!((20..=40).contains(&pauses[3]), "{pauses:?}");
        let late = &pauses[12..];
        assert!(
            late.iter().all(|pause| (1_000..=2_000).contains(pause)),
            "{pauses:?}"
        );
    }

    #[test]
    fn it_says_so_and_then_gives_up() {
        let mut patience = Patience::new();
        let mut after = |seconds| {
            let waited = Duration::from_secs(seconds);
            let is_a_try = (0..10).all(|_| patience.pause(waited).is_some());
            (is_a_try, patience.has_said_so)
        };
        assert_eq!(after(29), (true, false));
        assert_eq!(after(30), (true, true));
        assert_eq!(after(299), (true, true));
        assert_eq!(after(300), (false, true));
    }
}
