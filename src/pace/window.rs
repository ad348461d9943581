//! The window of the day in which statements are sent.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::cutoff::start_of_day;

const MINUTES_PER_DAY: u32 = 1_440;

/// A window of the UTC day such as `22:00-06:00`; it may pass midnight.
///
/// ```
/// let window: ebbtide::Window = "22:00-06:00".parse()?;
/// let noon = "2026-11-21T12:00:00Z".parse()?;
/// assert_eq!(window.opens_at(noon), Some("2026-11-21T22:00:00Z".parse()?));
/// let night = "2026-11-21T23:00:00Z".parse()?;
/// assert_eq!(window.opens_at(night), None, "it is open");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first minute of the day that belongs to it.
    from: u32,
    /// The first minute that does not, up to 1440.
    until: u32,
}

/// A text that is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no window of the UTC day; write 22:00-06:00, or 00:00-24:00 for always")]
pub struct NoWindow {
    text: String,
}

impl Window {
    /// The whole day.
    pub const ALWAYS: Self = Self {
        from: 0,
        until: MINUTES_PER_DAY,
    };

    /// When it opens next; nothing if it is open.
    pub fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        let midnight = start_of_day(now);
        let minute = now.duration_since(midnight).as_mins();
        let minute = u32::try_from(minute).unwrap_or(0);
        let is_open = if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        };
        if is_open {
            return None;
        }
        let day = if minute < self.from {
            0
        } else {
            MINUTES_PER_DAY
        };
        Some(midnight + SignedDuration::from_mins(i64::from(self.from + day)))
    }
}

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        let parsed = text.split_once('-').and_then(|(from, until)| {
            let (from, until) = (minute(from)?, minute(until)?);
            // From a time to the same time could mean always, or never.
            (from < MINUTES_PER_DAY && from != until).then_some(Self { from, until })
        });
        parsed.ok_or_else(|| NoWindow { text: text.into() })
    }
}

/// `HH:MM` as a minute of the day.
fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |digits: &str, most: u32| {
        let is_plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number: u32 = is_plain.then(|| digits.parse().ok()).flatten()?;
        (number <= most).then_some(number)
    };
    let minute = number(hour, 24)? * 60 + number(minute, 59)?;
    (minute <= MINUTES_PER_DAY).then_some(minute)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        let (from_hour, until_hour) = (from / 60, until / 60);
        write!(
            f,
            "{from_hour:02}:{:02}-{until_hour:02}:{:02}",
            from % 60,
            until % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(window: &str, now: &str, opens_at: Option<&str>) {
        let window: Window = window.parse().unwrap();
        let opens_at = opens_at.map(|at| at.parse::<Timestamp>().unwrap());
        assert_eq!(
            window.opens_at(now.parse().unwrap()),
            opens_at,
            "{window} {now}"
        );
    }

    #[test]
    fn a_window_may_pass_midnight() {
        let tonight = Some("2026-11-21T22:00:00Z");
        for (now, opens_at) in [
            ("2026-11-21T05:59:59.999Z", None),
            ("2026-11-21T06:00:00Z", tonight),
            ("2026-11-21T21:59:59.999Z", tonight),
            ("2026-11-21T22:00:00Z", None),
            ("2026-11-21T00:00:00Z", None),
        ] {
            check("22:00-06:00", now, opens_at);
        }
    }

    #[test]
    fn a_window_within_a_day_opens_tomorrow_when_it_is_over() {
        check(
            "01:30-02:00",
            "2026-11-21T01:29:00Z",
            Some("2026-11-21T01:30:00Z"),
        );
        check("01:30-02:00", "2026-11-21T01:59:59Z", None);
        check(
            "01:30-02:00",
            "2026-11-21T02:00:00Z",
            Some("2026-11-22T01:30:00Z"),
        );
    }

    #[test]
    fn the_whole_day_never_closes() {
        for now in ["2026-11-21T00:00:00Z", "2026-11-21T23:59:59.999999Z"] {
            check("00:00-24:00", now, None);
        }
        assert_eq!("00:00-24:00".parse(), Ok(Window::ALWAYS));
        // Until midnight, written as the beginning of the next day.
        check("20:00-00:00", "2026-11-21T23:59:59Z", None);
        check(
            "20:00-00:00",
            "2026-11-22T00:00:00Z",
            Some("2026-11-22T20:00:00Z"),
        );
    }

    #[test]
    fn what_is_written_is_read_again_and_anything_else_is_none() {
        for text in ["22:00-06:00", "00:00-24:00", "09:05-17:45"] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "22:00",
            "22-06",
            "22:00-22:00",
            "24:00-06:00",
            "22:00-24:01",
            "22:60-06:00",
            "2:00-6:00",
            "-1:00-06:00",
            "22:00-06:00-07:00",
            "+2:00-06:00",
            "25:00-06:00",
        ] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
