//! Waiting for what another process does.

use std::time::{Duration, Instant};

/// Waits until `condition` holds; fails the test if that takes longer than 30 s.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began_at = Instant::now();
    while !condition() {
        assert!(
            began_at.elapsed() < Duration::from_secs(30),
            "waited 30 s for: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
