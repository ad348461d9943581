//! What stops an operation, and the error it becomes.

use std::path::Path;

use rusqlite::ErrorCode;

use super::Sqlite;
use crate::audit::NotCanonical;
use crate::ledger::row::Malformed;
use crate::ledger::{LedgerError, migrations};

/// What stops an operation on the blocking thread.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Malformed(Malformed),
    Other(LedgerError),
    /// The other side is gone and has its own reason.
    Abandoned,
    /// Another process applied migrations meanwhile.
    Overtaken,
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
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

impl Sqlite {
    /// `may_create`: a file that is not there was to be created, so nobody is told to do that.
    pub(super) fn error(
        &self,
        action: &'static str,
        may_create: bool,
        fault: Fault,
    ) -> LedgerError {
        let error = match fault {
            Fault::Other(error) => return error,
            Fault::Abandoned => return LedgerError::Aborted("the input ended early".into()),
            Fault::Overtaken => {
                let source = "another migration is running; try again".into();
                return LedgerError::Busy {
                    url: self.url.clone(),
                    source,
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
        let url = self.url.clone();
        match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen)
                if !may_create && !self.path.exists() && self.folder_exists() =>
            {
                migrations::check(&[], &url)
                    .err()
                    .unwrap_or(LedgerError::Database {
                        action,
                        source: error.into(),
                    })
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                LedgerError::Unreachable {
                    url,
                    source: error.into(),
                }
            }
            Some(ErrorCode::NotADatabase) => LedgerError::BadUrl {
                url,
                problem: "the file is no SQLite database; name another one, which `ebbtide \
                          migrate` creates"
                    .into(),
            },
            _ if is_busy(&error) => LedgerError::Busy {
                url,
                source: error.into(),
            },
            _ => LedgerError::Database {
                action,
                source: error.into(),
            },
        }
    }

    fn folder_exists(&self) -> bool {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        folder.is_none_or(Path::is_dir)
    }
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}
