//! What deleting costs, measured: a pure fit over steps of the past.

use super::Method;

/// A step of the past on one table of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepCost {
    /// The shard.
    pub shard: String,
    /// The table.
    pub table: String,
    /// How it deleted.
    pub method: String,
    /// The parts that it was registered against.
    pub n_parts: u64,
    /// The rows that went.
    pub n_rows: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// What one way to delete costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Milliseconds for each part that a statement is registered against.
    pub ms_per_part: f64,
    /// Milliseconds for a million rows that go.
    pub ms_per_million_rows: f64,
}

/// What each way to delete costs on one table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Lightweight deletes.
    pub lightweight: Rate,
    /// Patch parts, for each part with rows that go.
    pub patch: Rate,
    /// Dropping partitions.
    pub partition: Rate,
}

impl Default for Rates {
    /// Measured on 26.7: a mutation of a part takes 20 ms on a large machine and 100 ms on two
    /// cores, and masks a million rows in a quarter of a second; a patch part takes 5 ms; 30
    /// partitions were dropped in a second.
    fn default() -> Self {
        Self {
            lightweight: Rate {
                ms_per_part: 20.0,
                ms_per_million_rows: 250.0,
            },
            patch: Rate {
                ms_per_part: 5.0,
                ms_per_million_rows: 250.0,
            },
            partition: Rate {
                ms_per_part: 30.0,
                ms_per_million_rows: 0.0,
            },
        }
    }
}

/// Fewer steps of the past say nothing.
const FEWEST: usize = 3;

impl Rates {
    /// The rates of a table, from its steps of the past; the defaults where there were too few.
    pub fn of(shard: &str, table: &str, costs: &[StepCost]) -> Self {
        let rate = |method: Method, default: Rate| {
            let is_of = |cost: &&StepCost| {
                cost.shard == shard && cost.table == table && cost.method == method.as_str()
            };
            let costs: Vec<&StepCost> = costs.iter().filter(is_of).collect();
            default.fitted(&costs)
        };
        let default = Self::default();
        Self {
            lightweight: rate(Method::Lightweight, default.lightweight),
            patch: rate(Method::Patch, default.patch),
            partition: rate(Method::Partition, default.partition),
        }
    }
}

impl Rate {
    /// How long a statement takes, in milliseconds.
    pub fn ms(&self, n_parts: u64, n_rows: u64) -> f64 {
        self.ms_per_part * number(n_parts) + self.ms_per_million_rows * number(n_rows) / 1e6
    }

    /// The least squares of both numbers. Where the steps are too alike to tell them apart, both
    /// are scaled by how much longer the steps took than these rates say.
    fn fitted(self, costs: &[&StepCost]) -> Self {
        if costs.len() < FEWEST {
            return self;
        }
        let sum = |of: &dyn Fn(&StepCost) -> f64| costs.iter().map(|cost| of(cost)).sum::<f64>();
        let parts = |cost: &StepCost| number(cost.n_parts);
        let millions = |cost: &StepCost| number(cost.n_rows) / 1e6;
        let took = |cost: &StepCost| number(cost.duration_ms);
        let (pp, mm) = (
            sum(&|cost| parts(cost).powi(2)),
            sum(&|cost| millions(cost).powi(2)),
        );
        let pm = sum(&|cost| parts(cost) * millions(cost));
        let (pt, mt) = (
            sum(&|cost| parts(cost) * took(cost)),
            sum(&|cost| millions(cost) * took(cost)),
        );
        let determinant = pp * mm - pm * pm;
        let fitted = Self {
            ms_per_part: (pt * mm - mt * pm) / determinant,
            ms_per_million_rows: (mt * pp - pt * pm) / determinant,
        };
        let is_told_apart = determinant > 1e-6 * pp * mm;
        if is_told_apart && fitted.ms_per_part > 0.0 && fitted.ms_per_million_rows >= 0.0 {
            return fitted;
        }
        let expected = sum(&|cost| self.ms(cost.n_parts, cost.n_rows));
        let factor = if expected > 0.0 {
            sum(&took) / expected
        } else {
            1.0
        };
        Self {
            ms_per_part: self.ms_per_part * factor,
            ms_per_million_rows: self.ms_per_million_rows * factor,
        }
    }
}

/// Good enough for an estimate: everything above four billion is four billion.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(n_parts: u64, n_rows: u64, duration_ms: u64) -> StepCost {
        StepCost {
            shard: "s".into(),
            table: "t".into(),
            method: "lightweight".into(),
            n_parts,
            n_rows,
            duration_ms,
        }
    }

    fn check(costs: &[StepCost], ms_per_part: f64, ms_per_million_rows: f64) {
        let rate = Rates::of("s", "t", costs).lightweight;
        assert!((rate.ms_per_part - ms_per_part).abs() < 0.01, "{rate:?}");
        let off = (rate.ms_per_million_rows - ms_per_million_rows).abs();
        assert!(off < 0.01, "{rate:?}");
    }

    #[test]
    fn rates_are_those_of_the_steps() {
        // 100 ms a part, 500 ms a million rows.
        check(
            &[
                cost(10, 0, 1_000),
                cost(10, 2_000_000, 2_000),
                cost(90, 1_000_000, 9_500),
            ],
            100.0,
            500.0,
        );
    }

    #[test]
    fn too_few_steps_or_those_of_others_say_nothing() {
        check(&[cost(10, 0, 9_999), cost(10, 0, 9_999)], 20.0, 250.0);
        let mut others = vec![cost(10, 0, 9_999); 9];
        for (at, other) in others.iter_mut().enumerate() {
            match at % 3 {
                0 => other.shard = "another".into(),
                1 => other.table = "another".into(),
                _ => other.method = "patch".into(),
            }
        }
        check(&others, 20.0, 250.0);
    }

    #[test]
    fn steps_that_are_all_alike_scale_both_rates() {
        check(&vec![cost(10, 0, 400); 5], 40.0, 500.0);
        check(&vec![cost(0, 0, 400); 5], 20.0, 250.0);
    }
}
