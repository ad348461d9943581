//! What can go wrong on the way to an embedded ClickHouse, each with its remedy.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why there is no embedded ClickHouse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The directory could not be written or removed.
    #[error("cannot use the ClickHouse directory {}; check that it may be written", path.display())]
    Directory {
        /// The directory or the file in it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process runs a server in the directory.
    #[error("another process runs a ClickHouse in {}; end that one, or use another directory", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// The system gives no port on 127.0.0.1.
    #[error("no free port on 127.0.0.1 for ClickHouse; name one that is free")]
    NoFreePort {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A user's name cannot be used.
    #[error(
        "`{name}` cannot be a user of the embedded ClickHouse; use letters, digits and `_`, and \
         neither `default` nor `launcher`"
    )]
    UserName {
        /// The name.
        name: String,
    },
    /// The process could not be started.
    #[error("cannot start {} as the ClickHouse server; check that it may be executed", program.display())]
    Spawn {
        /// The binary.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server ended before it answered.
    #[error("ClickHouse ended before it answered ({status}); its last lines, from {}:\n{tail}", log.display())]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// The file the lines are from.
        log: PathBuf,
        /// The last lines it wrote.
        tail: String,
    },
    /// The server did not answer in time.
    #[error("ClickHouse did not answer within {seconds} s; its last lines, from {}:\n{tail}", log.display())]
    Silent {
        /// How long it was given.
        seconds: u64,
        /// The file the lines are from.
        log: PathBuf,
        /// The last lines it wrote.
        tail: String,
    },
    /// The server's process could not be ended.
    #[error("cannot end the ClickHouse process {pid}; end it by hand with `kill -9 {pid}`")]
    Kill {
        /// The process.
        pid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl EmbeddedError {
    pub(super) fn directory(path: &Path, source: io::Error) -> Self {
        Self::Directory {
            path: path.to_path_buf(),
            source,
        }
    }

    /// Whether another server still holds the directory.
    pub(super) fn found_another_server(&self) -> bool {
        let reason = "Another server instance in same directory is already running";
        matches!(self, Self::Died { tail, .. } if tail.contains(reason))
    }

    /// Whether another process took this port first.
    pub(super) fn lost_port(&self, port: u16) -> bool {
        let reason = format!("Address already in use: 127.0.0.1:{port} ");
        matches!(self, Self::Died { tail, .. } if tail.contains(&reason))
    }
}

/// Why there is no libchdb.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibchdbError {
    /// `EBBTIDE_LIBCHDB` names a file that is not there.
    #[error("there is no libchdb at {}; correct EBBTIDE_LIBCHDB, or unset it to have libchdb fetched", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// No package is pinned for this platform.
    #[error(
        "no libchdb is known for {os} on {arch}; set EBBTIDE_LIBCHDB to a libchdb.so of version {version}"
    )]
    Platform {
        /// The operating system.
        os: &'static str,
        /// The processor.
        arch: &'static str,
        /// The version that is wanted.
        version: &'static str,
    },
    /// The user has no cache directory.
    #[error(
        "this user has no cache directory; set HOME or XDG_CACHE_HOME, or EBBTIDE_LIBCHDB to a libchdb.so"
    )]
    NoCacheDirectory,
    /// npm could not be run.
    #[error(
        "cannot run npm, which fetches libchdb; install it (`apt-get install npm`), or set EBBTIDE_LIBCHDB to a libchdb.so"
    )]
    NpmMissing {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// npm did not fetch the package.
    #[error(
        "npm could not fetch {package} ({status}); check the network and npm's registry, then try again. It said:\n{stderr}"
    )]
    NpmFailed {
        /// The package and its version.
        package: String,
        /// How npm ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// npm ended well, but left no package.
    #[error("npm left no package in {}; try again, or set EBBTIDE_LIBCHDB to a libchdb.so", path.display())]
    NoPackage {
        /// Where it was told to put it.
        path: PathBuf,
    },
    /// The package is not the pinned one.
    #[error(
        "{package} is not the package that Ebbtide was made with: its integrity is {found}, not {expected}; nothing was unpacked. Check npm's registry, then try again"
    )]
    Integrity {
        /// The package and its version.
        package: String,
        /// The pinned hash.
        expected: String,
        /// The hash of what came.
        found: String,
    },
    /// The package has no libchdb in it.
    #[error(
        "{package} holds no {entry} of {expected_bytes} bytes; set EBBTIDE_LIBCHDB to a libchdb.so"
    )]
    Content {
        /// The package and its version.
        package: String,
        /// The file that should be in it.
        entry: &'static str,
        /// The size it should have.
        expected_bytes: u64,
    },
    /// The disk refused.
    #[error("cannot keep libchdb at {}; check that it may be written and that 1.2 GB are free", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LibchdbError {
    pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Disk { path, source }
    }
}
