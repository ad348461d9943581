//! Finds libchdb, or fetches it once for all later runs.
//!
//! Invariant: a file under the final name is complete, and came from the pinned package.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::LibchdbError;
use super::{fetch, unpack};

/// What the fetching of libchdb is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchPhase {
    /// Another process is fetching it; this one waits.
    Waiting,
    /// npm is fetching the package.
    Downloading,
    /// The package is compared with its pinned hash.
    Checking,
    /// The library is being unpacked.
    Unpacking,
}

/// How far the fetching of libchdb has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchProgress {
    /// What is being done.
    pub phase: FetchPhase,
    /// Bytes of this phase that are done.
    pub done_bytes: u64,
    /// Bytes of this phase altogether; 0 while waiting.
    pub total_bytes: u64,
    /// Time since the fetching began.
    pub elapsed: Duration,
}

/// The path of libchdb: `explicit` if given (from `EBBTIDE_LIBCHDB`), otherwise the pinned version
/// in the user's cache directory, fetched now with npm if it is not there yet.
///
/// Blocks, for seconds if it has to fetch. Any number of processes may ask at once.
///
/// # Errors
/// When `explicit` does not exist, when npm is missing or fails, when the package is not the
/// pinned one, or when the disk refuses.
pub fn ensure_libchdb(
    explicit: Option<&Path>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<PathBuf, LibchdbError> {
    if let Some(path) = explicit {
        let path = path.to_path_buf();
        return if path.is_file() {
            Ok(path)
        } else {
            Err(LibchdbError::Missing { path })
        };
    }
    let package = Package::of_this_platform()?;
    let cache = dirs::cache_dir()
        .ok_or(LibchdbError::NoCacheDirectory)?
        .join("ebbtide");
    ensure_in(&cache, package, &mut Report::new(progress))
}

/// A package of the npm registry with a libchdb in it.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// As npm writes it: the algorithm, and the digest in base64.
    pub(super) integrity: &'static str,
    pub(super) packed_bytes: u64,
    pub(super) library_bytes: u64,
}

impl Package {
    const VERSION: &str = "26.7.3-stable.1";

    const LINUX_X64: Self = Self {
        name: "@chdb/lib-linux-x64-gnu",
        version: Self::VERSION,
        integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
        packed_bytes: 177_817_999,
        library_bytes: 566_330_096,
    };

    fn of_this_platform() -> Result<&'static Self, LibchdbError> {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        match (os, arch, cfg!(target_env = "gnu")) {
            ("linux", "x86_64", true) => Ok(&Self::LINUX_X64),
            _ => Err(LibchdbError::Platform {
                os,
                arch,
                version: Self::VERSION,
            }),
        }
    }

    /// `name@version`, as npm wants it.
    pub(super) fn spec(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Passes progress on, with the time since the beginning.
pub(super) struct Report<'a> {
    progress: &'a mut dyn FnMut(FetchProgress),
    began_at: Instant,
}

impl<'a> Report<'a> {
    pub(super) fn new(progress: &'a mut dyn FnMut(FetchProgress)) -> Self {
        Self {
            progress,
            began_at: Instant::now(),
        }
    }

    pub(super) fn at(&mut self, phase: FetchPhase, done_bytes: u64, total_bytes: u64) {
        let elapsed = self.began_at.elapsed();
        (self.progress)(FetchProgress {
            phase,
            done_bytes,
            total_bytes,
            elapsed,
        });
    }
}

fn ensure_in(
    cache: &Path,
    package: &Package,
    report: &mut Report<'_>,
) -> Result<PathBuf, LibchdbError> {
    let directory = cache.join(format!("libchdb-{}", package.version));
    let library = directory.join("libchdb.so");
    if is_complete(&library, package) {
        return Ok(library);
    }
    std::fs::create_dir_all(&directory).map_err(LibchdbError::disk(&directory))?;
    let _lock = lock(&directory.join("lock"), report)?;
    // The process that held the lock may have fetched it meanwhile.
    if is_complete(&library, package) {
        return Ok(library);
    }
    remove_leftovers(&directory)?;
    let work = tempfile::Builder::new()
        .prefix(WORK_PREFIX)
        .tempdir_in(&directory)
        .map_err(LibchdbError::disk(&directory))?;
    let packed = fetch::npm_pack(package, work.path(), &[], report)?;
    unpack::check(&packed, package, report)?;
    let unpacked = unpack::unpack(&packed, package, work.path(), report)?;
    std::fs::rename(&unpacked, &library).map_err(LibchdbError::disk(&library))?;
    Ok(library)
}

const WORK_PREFIX: &str = ".fetch-";

fn is_complete(library: &Path, package: &Package) -> bool {
    library
        .metadata()
        .is_ok_and(|file| file.is_file() && file.len() == package.library_bytes)
}

/// Holds the lock until the file is dropped; the system takes it from a process that dies.
fn lock(path: &Path, report: &mut Report<'_>) -> Result<File, LibchdbError> {
    let file = File::create(path).map_err(LibchdbError::disk(path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(LibchdbError::disk(path)(source)),
            Err(TryLockError::WouldBlock) => report.at(FetchPhase::Waiting, 0, 0),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Removes what a fetch that was killed left behind. Only under the lock.
fn remove_leftovers(directory: &Path) -> Result<(), LibchdbError> {
    for entry in directory
        .read_dir()
        .map_err(LibchdbError::disk(directory))?
    {
        let entry = entry.map_err(LibchdbError::disk(directory))?;
        if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) {
            std::fs::remove_dir_all(entry.path()).map_err(LibchdbError::disk(&entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_copy_must_exist() {
        let path = Path::new("no/such/libchdb.so");
        let error = ensure_libchdb(Some(path), &mut |_| ()).unwrap_err();
        assert!(matches!(error, LibchdbError::Missing { .. }));
        assert!(error.to_string().contains("no/such/libchdb.so"), "{error}");
        assert!(error.to_string().contains("EBBTIDE_LIBCHDB"), "{error}");
    }

    #[test]
    fn a_complete_copy_is_taken_and_leftovers_are_removed_before_a_fetch() {
        let cache = tempfile::tempdir().unwrap();
        let package = Package {
            library_bytes: 3,
            ..Package::LINUX_X64
        };
        let directory = cache.path().join("libchdb-26.7.3-stable.1");
        std::fs::create_dir_all(directory.join(".fetch-dead")).unwrap();
        std::fs::write(directory.join("libchdb.so"), "abc").unwrap();
        let found = ensure_in(cache.path(), &package, &mut Report::new(&mut |_| ())).unwrap();
        assert_eq!(found, directory.join("libchdb.so"));

        remove_leftovers(&directory).unwrap();
        assert!(!directory.join(".fetch-dead").exists());
        assert!(found.exists());
    }

    #[test]
    fn a_second_process_waits_for_the_first_and_takes_what_it_fetched() {
        let cache = tempfile::tempdir().unwrap();
        let package = Package {
            library_bytes: 3,
            ..Package::LINUX_X64
        };
        let directory = cache.path().join("libchdb-26.7.3-stable.1");
        std::fs::create_dir_all(&directory).unwrap();
        let mut first = Some(lock(&directory.join("lock"), &mut Report::new(&mut |_| ())).unwrap());
        let mut n_waits = 0;
        let mut finish_the_first = |progress: FetchProgress| {
            assert_eq!(progress.phase, FetchPhase::Waiting);
            n_waits += 1;
            std::fs::write(directory.join("libchdb.so"), "abc").unwrap();
            first = None;
        };
        ensure_in(
            cache.path(),
            &package,
            &mut Report::new(&mut finish_the_first),
        )
        .unwrap();
        assert_eq!(n_waits, 1);
    }
}
