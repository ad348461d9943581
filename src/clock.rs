//! The one place that asks for the time.

use jiff::Timestamp;

/// Where the shell gets `now` from.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Whether it goes with real time, so that it can be compared with the clock of a server.
    fn is_live(&self) -> bool {
        true
    }

    /// A new UUIDv7, for the identity of a cycle.
    fn unique_id(&self) -> String {
        unique_id()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the module that may")]
pub(crate) fn unique_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the module that may")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still, for tests and for `--as-of`.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn is_live(&self) -> bool {
        false
    }
}
