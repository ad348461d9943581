//! How far a cycle is: rows that went, rows that are left, how fast, and until when.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::output::grouped;
use crate::engine::Event;

/// Rows of all plans that were made so far.
#[derive(Debug, Default)]
pub(super) struct Rows {
    began_at: Option<Instant>,
    n_done: u64,
    n_left: u64,
    /// Whether more is left than was counted.
    is_more: bool,
}

/// How far it is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Progress {
    rows_done: u64,
    rows_left: u64,
    /// Whether more rows are left that nobody counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_more: bool,
    rows_per_second: u64,
    /// Nothing where nothing went yet, or where nobody knows how much is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
}

impl Rows {
    /// Adds what an event says of rows.
    pub(super) fn hear(&mut self, event: &Event<'_>) {
        match event {
            // A backfill goes on until nothing is left.
            Event::Planned { plan } if plan.backfill.is_some() => {
                self.planned(plan.n_due().saturating_add(plan.n_deferred()));
                self.is_more = plan.is_uncounted();
            }
            Event::Planned { plan } => self.planned(plan.n_due()),
            Event::CycleStarted { .. } => self.begin(),
            Event::StepFinished { report, .. } => self.step(report.n_due, report.n_deleted()),
            _ => {}
        }
    }

    /// Another plan knows what is left.
    fn planned(&mut self, n_due: u64) {
        self.n_left = n_due;
    }

    /// Deleting begins; what went before a later plan counts as well.
    fn begin(&mut self) {
        self.began_at.get_or_insert_with(Instant::now);
    }

    /// A step of so many rows ended, and so many of them went.
    fn step(&mut self, n_due: u64, n_deleted: u64) {
        self.n_done += n_deleted;
        self.n_left = self.n_left.saturating_sub(n_due);
    }

    pub(super) fn n_done(&self) -> u64 {
        self.n_done
    }

    pub(super) fn n_all(&self) -> u64 {
        self.n_done.saturating_add(self.n_left)
    }

    pub(super) fn now(&self) -> Progress {
        let took = self.began_at.map_or(Duration::ZERO, |at| at.elapsed());
        self.after(took)
    }

    fn after(&self, took: Duration) -> Progress {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        // In this order the numbers stay whole.
        let rate = self.n_done.saturating_mul(1_000) / ms;
        let left = u128::from(self.n_left) * u128::from(ms) / u128::from(self.n_done.max(1));
        let seconds = u64::try_from(left.div_ceil(1_000)).unwrap_or(u64::MAX);
        Progress {
            rows_done: self.n_done,
            rows_left: self.n_left,
            is_more: self.is_more,
            rows_per_second: rate,
            seconds_left: (self.n_done > 0 && !self.is_more).then_some(seconds),
        }
    }
}

impl Progress {
    /// `1,000 of 5,000 rows, 200 rows/s, 20 s left`.
    pub(super) fn describe(&self) -> String {
        let all = self.rows_done.saturating_add(self.rows_left);
        let more = if self.is_more { " and more" } else { "" };
        let text = format!("{} of {} rows{more}", grouped(self.rows_done), grouped(all));
        let Some(left) = self.seconds_left else {
            return text;
        };
        let rate = grouped(self.rows_per_second);
        format!("{text}, {rate} rows/s, {} left", length(left))
    }
}

/// `20 s`, `3 min`, `2 h 5 min`, `4 d`.
pub(crate) fn length(seconds: u64) -> String {
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds.div_ceil(60)),
        172_800.. => format!("{} d", seconds / 86_400),
        _ => {
            let minutes = seconds.div_ceil(60);
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_follow_from_what_went() {
        let mut rows = Rows::default();
        rows.planned(5_000);
        let at_first = rows.after(Duration::from_secs(9));
        assert_eq!(at_first.describe(), "0 of 5,000 rows");
        rows.step(1_000, 1_000);
        let text = "1,000 of 5,000 rows, 200 rows/s, 20 s left";
        assert_eq!(rows.after(Duration::from_secs(5)).describe(), text);
        // What did not go is not left to this plan, and another one finds it.
        rows.step(1_000, 400);
        assert_eq!((rows.n_done(), rows.n_all()), (1_400, 4_400));
        rows.planned(3_600);
        assert_eq!(rows.n_all(), 5_000);
        rows.step(3_600, 3_600);
        let text = "5,000 of 5,000 rows, 500 rows/s, 0 s left";
        assert_eq!(rows.after(Duration::from_secs(10)).describe(), text);
        // Nobody knows how long that takes.
        rows.is_more = true;
        let text = "5,000 of 5,000 rows and more";
        assert_eq!(rows.after(Duration::from_secs(10)).describe(), text);
    }

    #[test]
    fn lengths_are_as_long_as_they_need_to_be() {
        let lengths = [0, 99, 100, 3_600, 6_000, 90_000, 400_000].map(length);
        assert_eq!(
            lengths,
            [
                "0 s",
                "99 s",
                "2 min",
                "60 min",
                "1 h 40 min",
                "25 h 0 min",
                "4 d"
            ]
        );
    }
}
