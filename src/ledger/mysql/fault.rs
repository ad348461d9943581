//! What stops an operation, whether it is worth another attempt, and the error it becomes.

use std::time::Duration;

use super::MySql;
use crate::audit::NotCanonical;
use crate::ledger::LedgerError;
use crate::ledger::row::Malformed;

const N_ATTEMPTS: u32 = 5;

/// What stops an operation.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(mysql_async::Error),
    Malformed(Malformed),
    Other(LedgerError),
    /// There was no answer for so long.
    Late(Duration),
}

impl From<mysql_async::Error> for Fault {
    fn from(error: mysql_async::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self::Other(error)
    }
}

impl From<NotCanonical> for Fault {
    fn from(error: NotCanonical) -> Self {
        Self::Malformed(Malformed(error.to_string()))
    }
}

impl From<Malformed> for Fault {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl MySql {
    pub(super) fn error(&self, action: &'static str, fault: Fault) -> LedgerError {
        let error = match fault {
            Fault::Other(error) => return error,
            Fault::Late(limit) => {
                return LedgerError::Unreachable {
                    url: self.access.url.clone(),
                    source: format!("no answer for {} s", limit.as_secs()).into(),
                };
            }
            Fault::Malformed(error) => {
                return LedgerError::Database {
                    action,
                    source: error.into(),
                };
            }
            Fault::Sql(error) => error,
        };
        let url = self.access.url.clone();
        if is_conflict(&error) {
            return LedgerError::Busy {
                url,
                source: error.into(),
            };
        }
        if is_lost(&error) {
            return LedgerError::Unreachable {
                url,
                source: error.into(),
            };
        }
        LedgerError::Database {
            action,
            source: error.into(),
        }
    }
}

/// Counts the attempts of a transaction and waits between them.
#[derive(Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// After a conflict waits a little and says true, a bounded number of times.
    pub(super) async fn again(&mut self, fault: &Fault) -> bool {
        let may_pass = matches!(fault, Fault::Sql(error) if is_conflict(error) || is_taken(error));
        self.0 += 1;
        if !may_pass || self.0 >= N_ATTEMPTS {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(jitter_ms(20 << self.0))).await;
        true
    }
}

/// A number below `below`, another one each time, so that two that met do not meet again.
pub(super) fn jitter_ms(below: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) % below
}

/// A lock that was not given: a deadlock, a wait that took too long, a row that changed meanwhile.
pub(super) fn is_conflict(error: &mysql_async::Error) -> bool {
    has_code(error, &[1020, 1205, 1213])
}

/// A key that somebody else took first.
pub(super) fn is_taken(error: &mysql_async::Error) -> bool {
    has_code(error, &[1062])
}

pub(super) fn has_code(error: &mysql_async::Error, codes: &[u16]) -> bool {
    matches!(error, mysql_async::Error::Server(error) if codes.contains(&error.code))
}

/// The connection is gone, or the server is going, or has no connection to spare.
pub(in crate::ledger) fn is_lost(error: &mysql_async::Error) -> bool {
    use mysql_async::{DriverError, Error};
    match error {
        Error::Io(_)
        | Error::Driver(DriverError::ConnectionClosed | DriverError::PoolDisconnected) => true,
        Error::Server(error) => matches!(error.code, 1040 | 1053 | 1077 | 1079 | 1203 | 1927),
        _ => false,
    }
}
