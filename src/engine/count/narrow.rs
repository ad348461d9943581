//! Less at once than was too much: fewer arms where that reads less, and else only their oldest rows, as
//! far as that reads less.
//!
//! Where neither does, nothing is looked at again: it would read as much, and be too much as before.

use super::Place;
use crate::compile;
use crate::engine::Engine;
use crate::plan::Slice;
use crate::warehouse::WarehouseError;

impl Engine {
    /// Slices that together count less at once than one did, the first of them last; none where nothing
    /// reads less.
    pub(super) async fn narrower(
        &self,
        place: Place<'_>,
        slice: &Slice,
    ) -> Result<Vec<Slice>, WarehouseError> {
        let n_rows = self.estimate(place, slice).await?;
        if let Some([first, second]) = slice.halves() {
            let n_first = self.estimate(place, &first).await?;
            let n_second = self.estimate(place, &second).await?;
            // Where the primary key begins with something else, each half reads as much as both.
            if n_first.saturating_add(n_second) <= n_rows.saturating_add(n_rows / 4) {
                return Ok(vec![second, first]);
            }
        }
        let shorter = self.shorter(place, slice, n_rows).await?;
        Ok(shorter.into_iter().collect())
    }

    /// The oldest rows of a slice that reads so many rows: the longest time that reads half of them, or else
    /// the longest of those that read least.
    async fn shorter(
        &self,
        place: Place<'_>,
        slice: &Slice,
        n_rows: u64,
    ) -> Result<Option<Slice>, WarehouseError> {
        let unit_ms = place.target.age.kind.unit_ms();
        let cut = |slice: &Slice| slice.shorter(|workspace| place.oldest.ms(workspace), unit_ms);
        let mut least = None;
        let mut n_least = n_rows;
        let mut next = cut(slice);
        while let Some(shorter) = next {
            let n_less = self.estimate(place, &shorter).await?;
            if n_less <= n_rows / 2 {
                return Ok(Some(shorter));
            }
            next = cut(&shorter);
            if n_less < n_least {
                (least, n_least) = (Some(shorter), n_less);
            }
        }
        Ok(least)
    }

    /// An upper bound of the rows that counting a slice reads.
    pub(super) async fn estimate(
        &self,
        place: Place<'_>,
        slice: &Slice,
    ) -> Result<u64, WarehouseError> {
        let mut n_rows = 0_u64;
        for probe in compile::probe(place.target, &slice.older(), place.within) {
            n_rows = n_rows.saturating_add(place.shard.estimate(&probe.sql).await?);
        }
        Ok(n_rows)
    }
}
