//! What waits for another cycle, and what must wait because of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashSet;

use super::Deferred;
use super::order::{Place, oldest_ms};
use crate::plan::Arm;
use crate::plan::steps::Portion;

/// Tables, each with its shard.
pub(super) type Tables = HashSet<(Arc<str>, Arc<str>)>;

/// What waits, table by table.
#[derive(Default, Clone)]
pub(super) struct Deferral {
    tables: BTreeMap<(Arc<str>, Arc<str>), Waiting>,
    /// The workspace of which some arms wait and some go.
    cut: Option<Arc<str>>,
}

/// What waits of one table.
#[derive(Clone)]
struct Waiting {
    n_rows: u64,
    workspaces: HashSet<Arc<str>>,
    /// No row that waits is older.
    oldest_ms: i64,
    /// Of the workspace that is cut, everything before it went.
    covered_ms: i64,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            n_rows: 0,
            workspaces: HashSet::default(),
            oldest_ms: i64::MAX,
            covered_ms: i64::MAX,
        }
    }
}

impl Deferral {
    /// Keeps of one workspace these arms, as far as nothing waits in a table before theirs that may
    /// be of their children. There is at least one: the oldest in its first table.
    pub(super) fn keep_pieces(
        &mut self,
        portions: &mut [Portion<'_>],
        workspace: &Arc<str>,
        pieces: &HashSet<Place>,
    ) {
        self.cut = Some(Arc::clone(workspace));
        let is_its = |arm: &Arm| arm.workspace == *workspace;
        let first = portions.iter().enumerate().find_map(|(at, portion)| {
            let arms = portion.arms.iter().enumerate();
            let oldest = arms.filter(|(_, arm)| is_its(arm));
            let oldest = oldest.min_by_key(|(_, arm)| (arm.bounds, oldest_ms(arm)));
            oldest.map(|(of_portion, _)| (at, of_portion))
        });
        let mut before = Before::default();
        for (portion_at, portion) in portions.iter_mut().enumerate() {
            let covered_ms = before.least(self, portion, |waiting| waiting.covered_ms);
            let mut at = 0;
            let stays_out = |arm: &mut Arm| {
                let place = (portion_at, at);
                at += 1;
                let is_taken = pieces.contains(&place) && arm.bounds.below_ms <= covered_ms;
                is_its(arm) && !is_taken && Some(place) != first
            };
            let left: Vec<Arm> = portion.arms.extract_if(.., stays_out).collect();
            let from_ms = left
                .iter()
                .map(|arm| arm.bounds.from_ms.unwrap_or(i64::MIN));
            if let Some(from_ms) = from_ms.min() {
                let waiting = self.add(portion, &left);
                waiting.covered_ms = waiting.covered_ms.min(from_ms);
            }
        }
    }

    /// Whether only pieces of a workspace are left.
    pub(super) fn is_cut(&self, workspace: &Arc<str>) -> bool {
        self.cut.as_ref() == Some(workspace)
    }

    /// Keeps the arms of these workspaces.
    pub(super) fn keep_workspaces(
        &mut self,
        portions: &mut [Portion<'_>],
        inside: &HashSet<Arc<str>>,
    ) {
        for portion in portions {
            let stays_out = |arm: &mut Arm| !inside.contains(&arm.workspace);
            let left: Vec<Arm> = portion.arms.extract_if(.., stays_out).collect();
            if !left.is_empty() {
                self.add(portion, &left);
            }
        }
    }

    /// Keeps what can be sent: not the tables in which an earlier delete still runs, nor the rows of
    /// the same workspaces in those after them. Behind whole partitions, that is everybody.
    pub(super) fn keep_ready(&mut self, portions: &mut [Portion<'_>]) {
        let mut shard: Option<Arc<str>> = None;
        let mut behind: HashSet<Arc<str>> = HashSet::default();
        let mut is_anybody = false;
        for portion in portions {
            if shard.as_ref() != Some(&portion.shard) {
                shard = Some(Arc::clone(&portion.shard));
                behind.clear();
                is_anybody = false;
            }
            if portion.is_running {
                behind.extend(portion.arms.iter().map(|arm| Arc::clone(&arm.workspace)));
                is_anybody |= portion.whole.is_some();
            }
            if portion.is_running || is_anybody {
                self.take(portion);
            }
            let stays_out = |arm: &mut Arm| behind.contains(&arm.workspace);
            let left: Vec<Arm> = portion.arms.extract_if(.., stays_out).collect();
            if !left.is_empty() {
                self.add(portion, &left);
            }
        }
    }

    /// Whole partitions hold rows of anybody. Where children of some of them may wait, their table
    /// waits, and so do those after it, also where nothing would go in them as it is: there is more room
    /// without what waits.
    pub(super) fn tables_that_wait(&self, portions: &[Portion<'_>]) -> Tables {
        let mut before = Before::default();
        let mut waits = Tables::default();
        for portion in portions {
            let oldest_ms = before.least(self, portion, |waiting| waiting.oldest_ms);
            let shard = Arc::clone(&portion.shard);
            let is_younger = portion
                .whole
                .is_some_and(|whole| whole.until_ms > oldest_ms);
            let is_after = waits.iter().any(|(other, _)| *other == shard);
            if is_younger || is_after {
                waits.insert((shard, Arc::clone(&portion.table)));
            }
        }
        waits
    }

    /// Keeps nothing of these tables.
    pub(super) fn keep_out(&mut self, portions: &mut [Portion<'_>], tables: &Tables) {
        for portion in portions {
            let key = (Arc::clone(&portion.shard), Arc::clone(&portion.table));
            if tables.contains(&key) {
                self.take(portion);
            }
        }
    }

    /// Takes all that a portion has.
    fn take(&mut self, portion: &mut Portion<'_>) {
        let arms = std::mem::take(&mut portion.arms);
        let whole = portion.whole.take();
        if whole.is_some() || !arms.is_empty() {
            self.add(portion, &arms).n_rows += whole.map_or(0, |whole| whole.n_due);
        }
    }

    pub(super) fn into_tables(self) -> Vec<Deferred> {
        let deferred = |((shard, table), waiting): (_, Waiting)| Deferred {
            shard,
            table,
            n_rows: waiting.n_rows,
            n_workspaces: u64::try_from(waiting.workspaces.len()).unwrap_or(u64::MAX),
            n_uncounted: None,
        };
        self.tables.into_iter().map(deferred).collect()
    }

    /// Adds arms to what waits of their table.
    fn add(&mut self, portion: &Portion<'_>, arms: &[Arm]) -> &mut Waiting {
        let key = (Arc::clone(&portion.shard), Arc::clone(&portion.table));
        let waiting = self.tables.entry(key).or_default();
        for arm in arms {
            waiting.n_rows += arm.n_due;
            waiting.oldest_ms = waiting.oldest_ms.min(oldest_ms(arm));
            waiting.workspaces.insert(Arc::clone(&arm.workspace));
        }
        waiting
    }
}

/// The tables of a shard that came before one, in the order of work.
#[derive(Default)]
struct Before {
    shard: Option<Arc<str>>,
    tables: Vec<Arc<str>>,
}

impl Before {
    /// The least of what is said of the tables before that of a portion.
    fn least(
        &mut self,
        deferral: &Deferral,
        portion: &Portion<'_>,
        say: impl Fn(&Waiting) -> i64,
    ) -> i64 {
        if self.shard.as_ref() != Some(&portion.shard) {
            self.shard = Some(Arc::clone(&portion.shard));
            self.tables.clear();
        }
        if self.tables.last() != Some(&portion.table) {
            self.tables.push(Arc::clone(&portion.table));
        }
        let earlier = self.tables.iter().filter(|table| **table != portion.table);
        let waiting = earlier.filter_map(|table| {
            let key = (Arc::clone(&portion.shard), Arc::clone(table));
            deferral.tables.get(&key)
        });
        waiting.map(say).min().unwrap_or(i64::MAX)
    }
}
