//! Tables that are looked at again and again.

use std::time::Duration;

use super::*;

/// A table, and whether it may go.
struct Looks(TablePace);

impl Default for Looks {
    fn default() -> Self {
        Self(TablePace::new(1))
    }
}

impl Looks {
    fn look(&mut self, latency_ms: f64) -> bool {
        self.look_beside(latency_ms, 0.0)
    }

    fn look_beside(&mut self, latency_ms: f64, parts_mutating: f64) -> bool {
        self.see(Ok(Readings {
            parts_mutating,
            latency_ms,
            ..Readings::IDLE
        }))
    }

    fn see(&mut self, load: Result<Readings, String>) -> bool {
        self.decide(load) == Decision::Go
    }

    fn decide(&mut self, load: Result<Readings, String>) -> Decision {
        (self.0).decide(load, &Thresholds::default(), Instant::now())
    }
}

fn unreadable() -> Result<Readings, String> {
    Err("nobody answers".into())
}

#[test]
fn an_overload_holds_a_table_back_however_long_it_lasts() {
    let mut looks = Looks::default();
    assert!(looks.look(60.0), "the first read is what is usual");
    assert!(looks.look(250.0), "four times as long");
    assert!((0..10_000).all(|_| !looks.look(400.0)));
    assert!(!looks.look(250.0), "not well below its limit");
    assert!(looks.look(60.0), "when it is over, it is over");
    assert!(!looks.look(400.0), "and nothing of it became usual");
}

#[test]
fn reads_that_stay_slower_than_usual_and_below_their_limit_hold_a_table_for_a_while() {
    let mut looks = Looks::default();
    assert!(looks.look(60.0));
    assert!(!looks.look(400.0));
    assert!((0..29).all(|_| !looks.look(250.0)));
    assert!(!looks.look(300.0), "it is at its limit again");
    assert!((0..29).all(|_| !looks.look(250.0)));
    assert!(looks.look(250.0), "thirty in a row");
    assert!((0..1_000).all(|_| looks.look(250.0)));
    assert!(looks.look(400.0), "and it became usual");
    // What else holds a table stays as it is.
    let mut looks = Looks::default();
    assert!(!looks.look_beside(60.0, 20.0));
    assert!((0..100).all(|_| !looks.look_beside(60.0, 15.0)));
}

#[test]
fn what_a_read_takes_while_the_server_is_busy_is_not_usual() {
    let mut looks = Looks::default();
    assert!(looks.look(60.0));
    assert!((0..1_000).all(|_| !looks.look_beside(290.0, 99.0)));
    assert!(looks.look(60.0));
    assert!(!looks.look(400.0));
}

#[test]
fn a_server_that_becomes_slower_without_an_overload_becomes_usual() {
    let mut looks = Looks::default();
    assert!(looks.look(20.0));
    assert!(!Looks::default().look(1_500.0), "nobody knows it yet");
    assert!((0..1_000).all(|_| looks.look(200.0)));
    assert!(looks.look(900.0), "less than five times as long");
}

#[test]
fn who_begins_beside_an_overload_does_not_take_it_for_usual() {
    let mut looks = Looks::default();
    assert!((0..1_000).all(|_| !looks.look(1_500.0)));
    assert!(looks.look(1_000.0), "between 300 ms and five times as much");
    assert!((0..1_000).all(|_| looks.look(1_400.0)));
    assert!(!looks.look(1_500.0), "it never counts as usual");
}

#[test]
fn a_load_that_cannot_be_read_holds_a_table_back_and_is_no_look() {
    let mut looks = Looks::default();
    assert!(looks.look(60.0));
    assert!(!looks.see(unreadable()));
    assert!(looks.look(60.0));
    // Looks in a row are those that nothing came between.
    assert!(!looks.look(400.0));
    assert!((0..29).all(|_| !looks.look(250.0)));
    assert!(!looks.see(unreadable()));
    assert!((0..29).all(|_| !looks.look(250.0)));
    assert!(looks.look(250.0), "thirty in a row");
}

#[test]
fn nobody_looks_again_within_a_second() {
    let limits = Thresholds::default();
    let (mut pace, at) = (TablePace::new(1), Instant::now());
    assert_eq!(pace.lately(at), None);
    let decision = pace.decide(unreadable(), &limits, at);
    assert_eq!(pace.lately(at + Duration::from_millis(999)), Some(decision));
    assert_eq!(pace.lately(at + Duration::from_secs(1)), None);
}

#[test]
fn only_a_full_disk_does_not_hold_back_what_frees_it() {
    let full = Readings {
        free_disk_share: 0.01,
        ..Readings::IDLE
    };
    let busy = Readings {
        parts_mutating: 99.0,
        ..full
    };
    let mut looks = Looks::default();
    for (load, may_go) in [
        (Ok(full), true),
        (Ok(busy), false),
        (Ok(full), true),
        (unreadable(), false),
        (Ok(Readings::IDLE), true),
    ] {
        let decision = looks.decide(load.clone());
        let to_free = looks.0.to_free(decision);
        assert_eq!(to_free == Decision::Go, may_go, "{load:?}");
    }
}
