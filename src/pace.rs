//! Pacing: statements per minute and rows per second.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Spaces statements and rows out over time.
#[derive(Debug)]
pub struct Pacer {
    statements: DefaultDirectRateLimiter,
    rows: DefaultDirectRateLimiter,
    rows_per_second: NonZeroU32,
}

impl Pacer {
    /// A pacer that allows at most so many statements in any minute, evenly spaced after a first
    /// burst, and so many rows in any second.
    pub fn new(statements_per_minute: NonZeroU32, rows_per_second: NonZeroU32) -> Self {
        Self {
            statements: RateLimiter::direct(Quota::per_minute(statements_per_minute)),
            rows: RateLimiter::direct(Quota::per_second(rows_per_second)),
            rows_per_second,
        }
    }

    /// Waits until a statement over so many rows may be sent. A statement larger than a second's
    /// rows waits for as many seconds as it is worth.
    pub async fn ready(&self, n_rows: u64) {
        self.statements.until_ready().await;
        let mut left = n_rows;
        while left > 0 {
            let most = u64::from(self.rows_per_second.get());
            let batch = u32::try_from(left.min(most)).unwrap_or(u32::MAX);
            let Some(batch) = NonZeroU32::new(batch) else {
                return;
            };
            // The batch is never larger than the quota, the only error there is.
            if self.rows.until_n_ready(batch).await.is_err() {
                return;
            }
            left -= u64::from(batch.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn rows_beyond_the_quota_take_their_time() {
        let rows = NonZeroU32::new(1_000).unwrap();
        let pacer = Pacer::new(NonZeroU32::new(1_000).unwrap(), rows);
        let start = Instant::now();
        pacer.ready(1_000).await;
        assert!(
            start.elapsed() < Duration::from_millis(200),
            "the first second's rows are free"
        );
        pacer.ready(300).await;
        assert!(
            start.elapsed() >= Duration::from_millis(290),
            "300 rows are worth 0.3 s"
        );
    }

    #[tokio::test]
    async fn statements_beyond_the_quota_wait() {
        let pacer = Pacer::new(NonZeroU32::new(600).unwrap(), NonZeroU32::MAX);
        let start = Instant::now();
        for _ in 0..601 {
            pacer.ready(0).await;
        }
        assert!(
            start.elapsed() >= Duration::from_millis(95),
            "600 at once, then one every 0.1 s"
        );
    }
}
