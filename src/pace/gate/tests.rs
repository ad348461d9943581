//! Decisions from one look.

use proptest::prelude::*;

use super::*;

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
        for ((signal, ..), load) in Readings::IDLE.beside(&limits).into_iter().zip(loads) {
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
            ..Readings::IDLE
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
            ..Readings::IDLE
        },
        Readings {
            free_disk_share: f64::NAN,
            ..Readings::IDLE
        },
        Readings {
            free_disk_share: 0.0,
            ..Readings::IDLE
        },
        Readings {
            latency_ms: f64::INFINITY,
            ..Readings::IDLE
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
        ..Readings::IDLE
    };
    assert_eq!(decide(&full, &limits, &Held::new()).0, Decision::Go);
}

#[test]
fn a_read_that_nobody_notices_holds_nothing_back() {
    let limits = Thresholds::default();
    let readings = Readings {
        latency_ms: 299.0,
        usual_latency_ms: 1.0,
        ..Readings::IDLE
    };
    assert_eq!(decide(&readings, &limits, &Held::new()).0, Decision::Go);
}

#[test]
fn the_worst_of_the_reasons_is_said() {
    let limits = Thresholds::default();
    let readings = Readings {
        parts_mutating: 21.0,
        unfinished_mutations: 50.0,
        replication_queue: 501.0,
        ..Readings::IDLE
    };
    let (decision, held) = decide(&readings, &limits, &Held::new());
    let Decision::Wait(wait) = decision else {
        panic!("{readings:?}")
    };
    assert_eq!((wait.signal, held.len()), (Signal::UnfinishedMutations, 3));
    let unknown = Readings {
        parts_share: f64::NAN,
        ..readings
    };
    let (decision, _) = decide(&unknown, &limits, &Held::new());
    assert!(matches!(decision, Decision::Wait(wait) if wait.signal == Signal::PartsShare));
}
