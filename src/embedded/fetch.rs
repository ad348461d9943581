//! Fetches a package with the npm client.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::error::LibchdbError;
use super::libchdb::{FetchPhase, Package, Report};

/// Has npm put the package into `directory`, and returns its path.
pub(super) fn npm_pack(
    package: &Package,
    directory: &Path,
    extra: &[&str],
    report: &mut Report<'_>,
) -> Result<PathBuf, LibchdbError> {
    // npm writes the package only at the end; until then its cache shows how much is there.
    let cache = directory.join("npm-cache");
    let said = directory.join("npm.log");
    let stderr = File::create(&said).map_err(LibchdbError::disk(&said))?;
    let mut npm = Command::new("npm")
        .args([
            "pack",
            &package.spec(),
            "--ignore-scripts",
            "--loglevel=error",
        ])
        .args(["--pack-destination".as_ref(), directory.as_os_str()])
        .args(["--cache".as_ref(), cache.as_os_str()])
        .args(extra)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .map_err(|source| LibchdbError::NpmMissing { source })?;
    let status = loop {
        if let Some(status) = npm.try_wait().map_err(LibchdbError::disk(directory))? {
            break status;
        }
        let there = size_bytes(&cache).min(package.packed_bytes);
        report.at(FetchPhase::Downloading, there, package.packed_bytes);
        std::thread::sleep(Duration::from_millis(200));
    };
    if !status.success() {
        let stderr = std::fs::read(&said).map_err(LibchdbError::disk(&said))?;
        let stderr = String::from_utf8_lossy(&stderr).trim_end().to_owned();
        return Err(LibchdbError::NpmFailed {
            package: package.spec(),
            status,
            stderr,
        });
    }
    let files = directory
        .read_dir()
        .map_err(LibchdbError::disk(directory))?;
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or_else(|| LibchdbError::NoPackage {
            path: directory.to_path_buf(),
        })
}

/// The size of all files below `directory`; what vanishes meanwhile counts nothing.
fn size_bytes(directory: &Path) -> u64 {
    let Ok(entries) = directory.read_dir() else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_npm_says_is_in_the_error() {
        let directory = tempfile::tempdir().unwrap();
        let package = Package {
            name: "@chdb/lib-linux-x64-gnu",
            version: "26.7.3-stable.1",
            integrity: "",
            packed_bytes: 1,
            library_bytes: 1,
        };
        // Offline and with an empty cache, npm itself refuses before it asks any registry.
        let error = npm_pack(
            &package,
            directory.path(),
            &["--offline"],
            &mut Report::new(&mut |_| ()),
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, LibchdbError::NpmFailed { .. }), "{text}");
        assert!(text.contains("ENOTCACHED"), "{text}");
        assert!(
            text.contains("@chdb/lib-linux-x64-gnu@26.7.3-stable.1"),
            "{text}"
        );
    }
}
