//! A clock that jumps.

use ebbtide::Phase;
use jiff::{SignedDuration, Timestamp};

use super::Town;
use super::day::{Running, TestClock};
use super::town::N_OLD;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_far_from_that_of_clickhouse_deletes_nothing_until_it_is_right() {
    for hours in [1, -1] {
        let town = Town::new().await;
        let clock = TestClock::live(Timestamp::now() + SignedDuration::from_hours(hours));
        let mut sidecar = Running::start(&town, "skewed", &clock).await;
        let status = sidecar.until_phase(Phase::Waiting).await;
        assert!(status.reason.contains("clock"), "{}", status.reason);
        assert_eq!(
            (town.count("spans").await, town.mutations().await),
            (2 * N_OLD, 0)
        );
        let text = sidecar.metrics.render();
        assert!(
            !text.contains("ebbtide_cycles_total{outcome=\"refused\"} 0"),
            "{text}"
        );

        clock.set(Timestamp::now());
        sidecar.wake.notify_one();
        sidecar.until_phase(Phase::Idle).await;
        sidecar.end().await;
        town.all_done_once().await;
    }
}
