//! How long what is left will take at least, as steps of the past say. What makes it wait between its
//! steps is not known beforehand, and not in it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Method, StepCost};

/// The rows that steps of the past on a table deleted in a second, at most as many as the pace allows;
/// nothing if there were no such steps. Whole partitions go in no time, whatever is in them, and say
/// nothing of other rows.
pub fn rows_per_second(table: &str, costs: &[StepCost], most: NonZeroU32) -> Option<u64> {
    let is_of_table =
        |cost: &&StepCost| cost.table == table && cost.method != Method::Partition.as_str();
    let of_table = || costs.iter().filter(is_of_table);
    let n_rows: u64 = of_table().map(|cost| cost.n_rows).sum();
    let ms: u64 = of_table().map(|cost| cost.duration_ms).sum();
    let rate = n_rows.saturating_mul(1_000) / ms.max(1);
    // A step that took no time says as little as one that took no rows.
    (n_rows > 0).then(|| rate.clamp(1, most.get().into()))
}

/// How long so many rows of a table take at least; nothing where nothing is left, or no step says.
pub fn time_left(
    table: &str,
    n_left: u64,
    costs: &[StepCost],
    most: NonZeroU32,
) -> Option<Duration> {
    let rate = rows_per_second(table, costs, most)?;
    (n_left > 0).then(|| Duration::from_secs(n_left.div_ceil(rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(costs: &[(&str, u64, u64)], rate: Option<u64>, seconds: Option<u64>) {
        let cost = |(table, n_rows, duration_ms): &(&str, u64, u64)| StepCost {
            shard: "s".into(),
            table: (*table).into(),
            method: "lightweight".into(),
            n_parts: 1,
            n_rows: *n_rows,
            duration_ms: *duration_ms,
        };
        let costs: Vec<StepCost> = costs.iter().map(cost).collect();
        let most = NonZeroU32::new(2_000).unwrap();
        assert_eq!(rows_per_second("t", &costs, most), rate, "{costs:?}");
        let left = time_left("t", 10_000, &costs, most);
        assert_eq!(left.map(|left| left.as_secs()), seconds, "{costs:?}");
        assert_eq!(time_left("t", 0, &costs, most), None);
    }

    #[test]
    fn whole_partitions_do_not_make_it_look_short() {
        let cost = |method: Method, n_rows, duration_ms| StepCost {
            shard: "s".into(),
            table: "t".into(),
            method: method.as_str().into(),
            n_parts: 1,
            n_rows,
            duration_ms,
        };
        let most = NonZeroU32::new(2_000).unwrap();
        let whole = cost(Method::Partition, 500_000_000, 1_000);
        assert_eq!(
            rows_per_second("t", std::slice::from_ref(&whole), most),
            None
        );
        let costs = [whole, cost(Method::Lightweight, 1_000, 2_000)];
        assert_eq!(rows_per_second("t", &costs, most), Some(500));
    }

    #[test]
    fn the_time_left_follows_from_the_steps_of_the_table_and_the_pace() {
        check(&[], None, None);
        check(&[("other", 1_000, 1_000)], None, None);
        check(&[("t", 0, 500)], None, None);
        check(
            &[("t", 1_000, 1_000), ("t", 2_000, 5_000)],
            Some(500),
            Some(20),
        );
        check(
            &[("t", 1_000, 1_000), ("other", 9, 9_000)],
            Some(1_000),
            Some(10),
        );
        // No faster than the pace, however fast the server is; and slower than a row a second is one.
        check(&[("t", 1_000_000, 1_000)], Some(2_000), Some(5));
        check(&[("t", 1, 0)], Some(1_000), Some(10));
        check(&[("t", 1, 60_000)], Some(1), Some(10_000));
    }
}
