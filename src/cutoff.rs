//! Cutoffs: the instant below which a policy's rows are expired, and the UUIDv7 bounds made from it.
//!
//! Invariant: `now` is an argument. Days are UTC, a cutoff is the start of one, and a row exactly at
//! the cutoff is kept.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rule::Days;

const DAY_MS: i64 = 86_400_000;

/// The instant below which rows are expired: the start of a UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cutoff {
    day: i64,
}

impl Cutoff {
    /// `start of today (UTC) − retention`.
    ///
    /// ```
    /// use ebbtide::{Cutoff, Days};
    /// let now = "2026-11-21T17:45:00Z".parse()?;
    /// let cutoff = Cutoff::at(now, Days::new(60)?);
    /// assert_eq!(cutoff.instant().to_string(), "2026-09-22T00:00:00Z");
    /// assert_eq!(cutoff.id().to_string(), "01a0c669-8800-7000-8000-000000000000");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(now: Timestamp, retention: Days) -> Self {
        let today = now.as_millisecond().div_euclid(DAY_MS);
        Self {
            day: today - i64::from(retention.get()),
        }
    }

    /// Milliseconds since the Unix epoch; negative before 1970.
    pub fn as_millisecond(self) -> i64 {
        self.day * DAY_MS
    }

    /// The instant itself.
    pub fn instant(self) -> Timestamp {
        // At most a hundred years before a `Timestamp`, which itself reaches back to the year -9999.
        Timestamp::from_millisecond(self.as_millisecond()).unwrap_or(Timestamp::MIN)
    }

    /// `cutoff_id`: the smallest UUIDv7 of the cutoff's millisecond.
    pub fn id(self) -> Uuid {
        smallest_id(self.as_millisecond())
    }
}

/// The smallest UUIDv7 (RFC 9562, section 5.7) of a millisecond: version and variant bits set, all
/// random bits zero. Instants that 48 bits cannot hold are clamped to the nearest that they can.
///
/// ```
/// use ebbtide::smallest_id;
/// assert_eq!(smallest_id(0).to_string(), "00000000-0000-7000-8000-000000000000");
/// assert!(smallest_id(1_000) < smallest_id(1_001));
/// ```
pub fn smallest_id(unix_ms: i64) -> Uuid {
    let ms = u64::try_from(unix_ms).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128((u128::from(ms) << 80) | (0x7 << 76) | (0x2 << 62))
}

/// The instant from which a row of this age is expired: the start of the first UTC day whose cutoff
/// lies after it.
///
/// ```
/// use ebbtide::{Days, expires_at};
/// let row = "2026-11-01T12:00:00Z".parse()?;
/// assert_eq!(expires_at(row, Days::new(7)?).to_string(), "2026-11-09T00:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn expires_at(row: Timestamp, retention: Days) -> Timestamp {
    let day = row.as_millisecond().div_euclid(DAY_MS) + i64::from(retention.get()) + 1;
    Timestamp::from_millisecond(day.saturating_mul(DAY_MS)).unwrap_or(Timestamp::MAX)
}

/// The instant in a UUIDv7; nothing for other versions, which have no age.
pub fn time_of_id(id: Uuid) -> Option<Timestamp> {
    let is_v7 = id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122;
    let ms = i64::try_from(id.as_u128() >> 80).ok().filter(|_| is_v7)?;
    Timestamp::from_millisecond(ms).ok()
}

/// The half-open interval of time `[from, below)` in which a policy's rows are expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bounds {
    /// The cutoff in Unix milliseconds; only rows strictly below it are expired.
    pub below_ms: i64,
    /// Where the rule does not apply to the past, its creation in Unix milliseconds; rows below it
    /// stay.
    pub from_ms: Option<i64>,
}

impl Bounds {
    /// The bounds of a retention, or nothing when no row can be expired: it is unlimited, or the
    /// rule is younger than its cutoff.
    pub fn new(now: Timestamp, retention: Option<Days>, from: Option<Timestamp>) -> Option<Self> {
        let below_ms = Cutoff::at(now, retention?).as_millisecond();
        let from_ms = from.map(Timestamp::as_millisecond);
        (from_ms.is_none_or(|from| from < below_ms)).then_some(Self { below_ms, from_ms })
    }

    /// Whether a row of this age is expired.
    pub fn contains(self, unix_ms: i64) -> bool {
        unix_ms < self.below_ms && self.from_ms.is_none_or(|from| unix_ms >= from)
    }

    /// Whether all rows are expired of which these are the oldest and the newest. Ages in whole milliseconds
    /// may be rounded either way, so a row at a bound tells nothing.
    pub(crate) fn covers(self, oldest_ms: i64, newest_ms: i64) -> bool {
        newest_ms < self.below_ms && self.from_ms.is_none_or(|from| oldest_ms > from)
    }

    /// Whether none of them is.
    pub(crate) fn misses(self, oldest_ms: i64, newest_ms: i64) -> bool {
        oldest_ms > self.below_ms || self.from_ms.is_some_and(|from| newest_ms < from)
    }

    /// What both have in common, if anything.
    #[must_use]
    pub fn intersect(self, other: Self) -> Option<Self> {
        Self {
            below_ms: self.below_ms.min(other.below_ms),
            // Nothing, which means no lower bound, is below every bound.
            from_ms: self.from_ms.max(other.from_ms),
        }
        .unless_empty()
    }

    /// What is left, in order, when `[from, until)` is taken out.
    pub fn without(self, from_ms: i64, until_ms: i64) -> impl Iterator<Item = Self> {
        // An interval that is none takes nothing; cut in two, its ends would overlap.
        let (from_ms, until_ms) = if from_ms < until_ms {
            (from_ms, until_ms)
        } else {
            (i64::MAX, i64::MAX)
        };
        let before = Self {
            below_ms: self.below_ms.min(from_ms),
            from_ms: self.from_ms,
        };
        let after = Self {
            below_ms: self.below_ms,
            from_ms: self.from_ms.max(Some(until_ms)),
        };
        let before = before.unless_empty().filter(|_| from_ms > i64::MIN);
        before.into_iter().chain(after.unless_empty())
    }

    /// What is left, in order, when parts of it are taken out; they are in order and apart.
    pub fn gaps(self, parts: &[Self]) -> Vec<Self> {
        let mut left = vec![self];
        for part in parts {
            let last = left.pop().into_iter();
            let from_ms = part.from_ms.unwrap_or(i64::MIN);
            left.extend(last.flat_map(|last| last.without(from_ms, part.below_ms)));
        }
        left
    }

    fn unless_empty(self) -> Option<Self> {
        self.from_ms
            .is_none_or(|from| from < self.below_ms)
            .then_some(self)
    }
}

/// The first instant of the UTC day of an instant.
pub(crate) fn start_of_day(at: Timestamp) -> Timestamp {
    let midnight = at.as_millisecond().div_euclid(DAY_MS) * DAY_MS;
    Timestamp::from_millisecond(midnight).unwrap_or(Timestamp::MIN)
}

/// The UTC calendar day of an instant, such as `2026-11-21`.
pub fn utc_day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn all_instants_of_a_day_share_a_cutoff() {
        let seven = Days::new(7).unwrap();
        let first = Cutoff::at(at("2026-11-21T00:00:00Z"), seven);
        assert_eq!(
            first,
            Cutoff::at(at("2026-11-21T23:59:59.999999999Z"), seven)
        );
        assert_ne!(
            first,
            Cutoff::at(at("2026-11-20T23:59:59.999999999Z"), seven)
        );
        assert_eq!(first.instant(), at("2026-11-14T00:00:00Z"));
    }

    #[test]
    fn a_row_exactly_at_the_cutoff_is_kept() {
        let bounds = Bounds::new(at("2026-11-21T10:00:00Z"), Days::new(1).ok(), None).unwrap();
        assert!(bounds.contains(bounds.below_ms - 1));
        assert!(!bounds.contains(bounds.below_ms));
    }

    #[test]
    fn a_rule_younger_than_its_cutoff_has_nothing_to_do() {
        let now = at("2026-11-21T10:00:00Z");
        let cutoff = at("2026-11-20T00:00:00Z");
        let one = Days::new(1).ok();
        assert_eq!(Bounds::new(now, one, Some(cutoff)), None);
        let before = cutoff - jiff::SignedDuration::from_millis(1);
        let bounds = Bounds::new(now, one, Some(before)).unwrap();
        assert!(bounds.contains(before.as_millisecond()));
        assert!(!bounds.contains(before.as_millisecond() - 1));
    }

    proptest! {
        #[test]
        fn a_row_expires_exactly_when_it_is_said_to(row in 0_i64..4_000_000_000_000, days in 1_u32..800) {
            let days = Days::new(days).unwrap();
            let row = Timestamp::from_millisecond(row).unwrap();
            let at = expires_at(row, days);
            let before = at - jiff::SignedDuration::from_nanos(1);
            prop_assert!(Bounds::new(at, Some(days), None).unwrap().contains(row.as_millisecond()));
            prop_assert!(!Bounds::new(before, Some(days), None).unwrap().contains(row.as_millisecond()));
            prop_assert_eq!(time_of_id(smallest_id(row.as_millisecond())), Some(row));
        }

        #[test]
        fn what_is_taken_out_and_what_is_left_make_the_whole(
            from in prop::option::of(0_i64..20),
            below in 0_i64..20,
            taken in prop::collection::vec((-2_i64..22, -2_i64..22), 0..4),
        ) {
            prop_assume!(from.is_none_or(|from| from < below));
            let whole = Bounds { below_ms: below, from_ms: from };
            let mut left = vec![whole];
            for (start, end) in &taken {
                left = left.into_iter().flat_map(|part| part.without(*start, *end)).collect();
            }
            let gaps = whole.gaps(&left);
            for ms in -5..25 {
                let is_taken = taken.iter().any(|(start, end)| (*start..*end).contains(&ms));
                let n_left = left.iter().filter(|part| part.contains(ms)).count();
                let n_gaps = gaps.iter().filter(|part| part.contains(ms)).count();
                prop_assert_eq!(n_left, usize::from(whole.contains(ms) && !is_taken));
                prop_assert_eq!(n_gaps, usize::from(whole.contains(ms) && is_taken));
            }
        }

        #[test]
        fn longer_retention_never_expires_more(
            now in -60_000_000_000_i64..4_000_000_000_000,
            short in 1_u32..=Days::MAX,
            extra in 0_u32..1000,
        ) {
            let now = Timestamp::from_millisecond(now).unwrap();
            let long = Days::new((short + extra).min(Days::MAX)).unwrap();
            let short = Cutoff::at(now, Days::new(short).unwrap());
            prop_assert!(Cutoff::at(now, long) <= short);
            prop_assert!(Cutoff::at(now, long).id() <= short.id());
            prop_assert!(short.instant() < now);
        }

        #[test]
        fn the_smallest_id_bounds_every_id_of_its_millisecond(ms in 0_i64..(1 << 48), tail: u128) {
            let smallest = smallest_id(ms);
            let mask = !((0xf << 76) | (0x3 << 62));
            let random = tail & ((1 << 80) - 1) & mask;
            let id = Uuid::from_u128(smallest.as_u128() | random);
            prop_assert_eq!(id.get_version_num(), 7);
            prop_assert!(id >= smallest && id.to_string() >= smallest.to_string());
            if ms > 0 {
                prop_assert!(smallest_id(ms - 1) < smallest);
            }
        }
    }
}
