//! The decision whether a statement may be sent to a table now.
//!
//! Invariant: never at or beyond a limit; and who waits goes on only well below it, so that nothing
//! flaps in between. A latency that stays in between is let pass in the end.

use std::collections::BTreeSet;

use super::signal::{Readings, Signal, Thresholds, Wait};

/// The signals that hold a table back.
pub type Held = BTreeSet<Signal>;

/// Whether a statement may be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It may.
    Go,
    /// It may not, and this is the worst of the reasons.
    Wait(Wait),
}

/// Decides from one look, the limits, and what held the table back before; returns what holds it
/// back from now on, too.
pub fn decide(readings: &Readings, limits: &Thresholds, before: &Held) -> (Decision, Held) {
    let mut held = Held::new();
    let mut worst: Option<(f64, Wait)> = None;
    for (signal, value, limit) in readings.beside(limits) {
        let load = signal.load(value, limit);
        let bound = if before.contains(&signal) {
            limits.resume_at
        } else {
            1.0
        };
        if load < bound {
            continue;
        }
        held.insert(signal);
        if worst.as_ref().is_none_or(|(other, _)| load > *other) {
            let problem = None;
            let wait = Wait {
                signal,
                value,
                limit,
                problem,
            };
            worst = Some((load, wait));
        }
    }
    let decision = worst.map_or(Decision::Go, |(_, wait)| Decision::Wait(wait));
    (decision, held)
}

/// What a small read usually takes, as far as reads without anything that held the table back say.
///
/// Invariant: it is never longer than a read that nobody notices. So a process that starts beside an
/// overload does not take that for usual, and one that lasts does not become so.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usual(Option<f64>);

impl Usual {
    /// What is usual. Before the first read is learned from, it is the only one there is.
    pub(super) fn ms(self, latency_ms: f64, limits: &Thresholds) -> f64 {
        let usual_ms = self.0.unwrap_or(latency_ms);
        usual_ms.min(limits.foreground_latency_floor_ms)
    }

    /// Learns from a read: quickly down, and slowly up where nothing held the table back.
    pub(super) fn learn(&mut self, latency_ms: f64, limits: &Thresholds, is_held: bool) {
        let before = self.ms(latency_ms, limits);
        let share = if latency_ms < before {
            0.5
        } else if is_held {
            0.0
        } else {
            0.01
        };
        let learned = Self(Some(before + (latency_ms - before) * share));
        self.0 = Some(learned.ms(latency_ms, limits));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::calm::Calm;
    use super::*;

    const IDLE: Readings = Readings {
        parts_mutating: 0.0,
        unfinished_mutations: 0.0,
        parts_share: 0.0,
        replication_lag_s: 0.0,
        replication_queue: 0.0,
        free_disk_share: 1.0,
        latency_ms: 3.0,
        usual_latency_ms: 3.0,
    };

    /// Readings at which each signal has this share of its limit.
    fn at(loads: [f64; 7], limits: &Thresholds) -> Readings {
        let [mutating, unfinished, parts, lag, queue, disk, latency] = loads;
        Readings {
            parts_mutating: limits.parts_mutating * mutating,
            unfinished_mutations: limits.unfinished_mutations * unfinished,
            parts_share: limits.parts_share * parts,
            replication_lag_s: limits.replication_lag_s * lag,
            replication_queue: limits.replication_queue * queue,
            free_disk_share: limits.free_disk_share / disk,
            latency_ms: 100.0 * limits.foreground_latency * latency,
            usual_latency_ms: 100.0,
        }
    }

    fn loads() -> impl Strategy<Value = [f64; 7]> {
        // Powers of two, so that a load comes out as it went in.
        let one = prop_oneof![Just(0.25), Just(0.5), Just(1.0), Just(2.0), Just(1e9)];
        proptest::array::uniform7(one)
    }

    fn held() -> impl Strategy<Value = Held> {
        proptest::sample::subsequence(Signal::ALL.to_vec(), 0..=8)
            .prop_map(|signals| signals.into_iter().collect())
    }

    proptest! {
        #[test]
        fn it_never_goes_at_or_beyond_a_limit(loads in loads(), before in held()) {
            let limits = Thresholds::default();
            let (decision, held) = decide(&at(loads, &limits), &limits, &before);
            if loads.iter().any(|load| *load >= 1.0) {
                prop_assert_ne!(&decision, &Decision::Go);
            }
            prop_assert_eq!(decision == Decision::Go, held.is_empty());
        }

        #[test]
        fn what_holds_a_table_back_is_over_its_limit_or_was(loads in loads(), before in held()) {
            let limits = Thresholds::default();
            let (_, held) = decide(&at(loads, &limits), &limits, &before);
            for ((signal, ..), load) in IDLE.beside(&limits).into_iter().zip(loads) {
                let expected = load >= 1.0 || (before.contains(&signal) && load >= limits.resume_at);
                prop_assert_eq!(held.contains(&signal), expected, "{:?}", signal);
            }
        }

        #[test]
        fn between_the_two_marks_nothing_changes(
            loads in proptest::collection::vec(proptest::array::uniform7(0.71_f64..0.99), 1..30),
            is_waiting in any::<bool>(),
        ) {
            let limits = Thresholds::default();
            let start = if is_waiting { [2.0; 7] } else { [0.25; 7] };
            let (first, mut held) = decide(&at(start, &limits), &limits, &Held::new());
            for loads in loads {
                let (decision, next) = decide(&at(loads, &limits), &limits, &held);
                prop_assert_eq!(decision == Decision::Go, first == Decision::Go);
                prop_assert_eq!(&next, &held);
                held = next;
            }
        }
    }

    #[test]
    fn who_waited_goes_on_below_the_lower_mark_alone() {
        let limits = Thresholds::default();
        let look = |parts_mutating, held: &Held| {
            let readings = Readings {
                parts_mutating,
                ..IDLE
            };
            decide(&readings, &limits, held)
        };
        let (decision, held) = look(20.0, &Held::new());
        assert_eq!(
            decision,
            Decision::Wait(Wait {
                signal: Signal::PartsMutating,
                value: 20.0,
                limit: 20.0,
                problem: None
            })
        );
        let (decision, held) = look(14.0, &held);
        assert_ne!(decision, Decision::Go, "14 of 20 is the lower mark itself");
        let (decision, held) = look(13.0, &held);
        assert_eq!((decision, held), (Decision::Go, Held::new()));
    }

    #[test]
    fn what_is_no_number_is_no_reason_to_go() {
        let limits = Thresholds::default();
        for readings in [
            Readings {
                parts_share: f64::NAN,
                ..IDLE
            },
            Readings {
                free_disk_share: f64::NAN,
                ..IDLE
            },
            Readings {
                free_disk_share: 0.0,
                ..IDLE
            },
            Readings {
                latency_ms: f64::INFINITY,
                ..IDLE
            },
        ] {
            let (decision, _) = decide(&readings, &limits, &Held::new());
            assert_ne!(decision, Decision::Go, "{readings:?}");
        }
    }

    #[test]
    fn without_a_limit_a_full_disk_holds_nothing_back() {
        let limits = Thresholds {
            free_disk_share: 0.0,
            ..Thresholds::default()
        };
        let full = Readings {
            free_disk_share: 0.0,
            ..IDLE
        };
        assert_eq!(decide(&full, &limits, &Held::new()).0, Decision::Go);
    }

    /// A table that is looked at again and again; whether it may go.
    #[derive(Default)]
    struct Looks {
        usual: Usual,
        calm: Calm,
        held: Held,
    }

    impl Looks {
        fn look(&mut self, latency_ms: f64) -> bool {
            self.look_beside(latency_ms, 0.0)
        }

        fn look_beside(&mut self, latency_ms: f64, parts_mutating: f64) -> bool {
            let limits = Thresholds::default();
            let readings = Readings {
                latency_ms,
                usual_latency_ms: self.usual.ms(latency_ms, &limits),
                parts_mutating,
                ..IDLE
            };
            let before = self.calm.look(&readings, &limits, &self.held);
            let (decision, held) = decide(&readings, &limits, &before);
            let is_held = decision != Decision::Go;
            self.usual.learn(latency_ms, &limits, is_held);
            self.held = held;
            !is_held
        }
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
    fn a_read_that_nobody_notices_holds_nothing_back() {
        let limits = Thresholds::default();
        let readings = Readings {
            latency_ms: 299.0,
            usual_latency_ms: 1.0,
            ..IDLE
        };
        assert_eq!(decide(&readings, &limits, &Held::new()).0, Decision::Go);
    }
}
