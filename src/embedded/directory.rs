//! The directory of one server.
//!
//! Invariant: one starter a directory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::EmbeddedError;

/// Where a server lives.
#[derive(Debug)]
pub(super) enum Directory {
    Temporary(Option<TempDir>, PathBuf),
    /// With the lock that keeps other starters away.
    Given {
        path: PathBuf,
        _lock: File,
    },
}

impl Directory {
    pub(super) fn create(given: Option<&Path>) -> Result<Self, EmbeddedError> {
        if let Some(path) = given {
            let open = || {
                std::fs::create_dir_all(path)?;
                let path = path.canonicalize()?;
                let lock = File::create(path.join("lock"))?;
                std::io::Result::Ok((path, lock))
            };
            let (path, lock) = open().map_err(|source| EmbeddedError::directory(path, source))?;
            return match lock.try_lock() {
                Ok(()) => Ok(Self::Given { path, _lock: lock }),
                Err(TryLockError::WouldBlock) => Err(EmbeddedError::Busy { path }),
                Err(TryLockError::Error(source)) => Err(EmbeddedError::directory(&path, source)),
            };
        }
        let directory = tempfile::Builder::new()
            .prefix("ebbtide-clickhouse-")
            .tempdir()
            .map_err(|source| EmbeddedError::directory(&std::env::temp_dir(), source))?;
        let path = directory.path().to_path_buf();
        Ok(Self::Temporary(Some(directory), path))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(_, path) | Self::Given { path, .. } => path,
        }
    }

    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(..))
    }

    pub(super) fn remove(&mut self) -> Result<(), EmbeddedError> {
        match self {
            Self::Temporary(directory, path) => directory
                .take()
                .map_or(Ok(()), TempDir::close)
                .map_err(|source| EmbeddedError::directory(path, source)),
            Self::Given { .. } => Ok(()),
        }
    }
}
