//! Checks a package against its pinned hash, and takes the library out of it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha512};
use tar::Archive;

use super::error::LibchdbError;
use super::libchdb::{FetchPhase, Package, Report};

const ENTRY: &str = "package/libchdb.so";

/// Refuses a package that is not the pinned one.
pub(super) fn check(
    packed: &Path,
    package: &Package,
    report: &mut Report<'_>,
) -> Result<(), LibchdbError> {
    let disk = || LibchdbError::disk(packed);
    let mut file = File::open(packed).map_err(disk())?;
    let total = file.metadata().map_err(disk())?.len();
    let mut hash = Sha512::new();
    copy(&mut file, &mut hash, |done| {
        report.at(FetchPhase::Checking, done, total);
    })
    .map_err(disk())?;
    let found = format!("sha512-{}", BASE64_STANDARD.encode(hash.finalize()));
    if found == package.integrity {
        return Ok(());
    }
    Err(LibchdbError::Integrity {
        package: package.spec(),
        expected: package.integrity.to_owned(),
        found,
    })
}

/// Writes the library of a checked package into `directory`, down to the disk.
pub(super) fn unpack(
    packed: &Path,
    package: &Package,
    directory: &Path,
    report: &mut Report<'_>,
) -> Result<PathBuf, LibchdbError> {
    let path = directory.join("libchdb.so");
    let file = File::open(packed).map_err(LibchdbError::disk(packed))?;
    let mut archive = Archive::new(GzDecoder::new(file));
    for entry in archive.entries().map_err(LibchdbError::disk(packed))? {
        let mut entry = entry.map_err(LibchdbError::disk(packed))?;
        if entry.path_bytes().as_ref() != ENTRY.as_bytes() || entry.size() != package.library_bytes
        {
            continue;
        }
        let mut library = File::create(&path).map_err(LibchdbError::disk(&path))?;
        let total = package.library_bytes;
        copy(&mut entry, &mut library, |done| {
            report.at(FetchPhase::Unpacking, done, total);
        })
        .and_then(|()| library.sync_all())
        .map_err(LibchdbError::disk(&path))?;
        return Ok(path);
    }
    Err(LibchdbError::Content {
        package: package.spec(),
        entry: ENTRY,
        expected_bytes: package.library_bytes,
    })
}

/// Copies all, and says after each piece how much is done.
fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    mut done: impl FnMut(u64),
) -> std::io::Result<()> {
    const PIECE_BYTES: u64 = 4 * 1024 * 1024;
    let mut n_done = 0;
    loop {
        let n = std::io::copy(&mut from.by_ref().take(PIECE_BYTES), to)?;
        if n == 0 {
            return Ok(());
        }
        n_done += n;
        done(n_done);
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// `printf 'hello libchdb' | openssl dgst -sha512 -binary | base64 -w0`
    const HELLO: &str = "sha512-k9Uk5nCpQtDec8p29A7qwF3KIHU79i0B9ZoRZ/y/4rYz6XC9hE/sGkW2fL41x47lGfA5hxO+/6Ge7usGFZqoJw==";

    fn package(integrity: &'static str, library_bytes: u64) -> Package {
        Package {
            name: "p",
            version: "1",
            integrity,
            packed_bytes: 0,
            library_bytes,
        }
    }

    fn tgz(directory: &Path, entry: &str, content: &[u8]) -> PathBuf {
        let path = directory.join("p.tgz");
        let mut builder = tar::Builder::new(GzEncoder::new(
            File::create(&path).unwrap(),
            Compression::fast(),
        ));
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len().try_into().unwrap());
        header.set_mode(0o644);
        builder.append_data(&mut header, entry, content).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn only_the_pinned_bytes_pass() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.tgz");
        std::fs::write(&path, "hello libchdb").unwrap();
        check(&path, &package(HELLO, 0), &mut Report::new(&mut |_| ())).unwrap();

        std::fs::write(&path, "hello libchdB").unwrap();
        let error = check(&path, &package(HELLO, 0), &mut Report::new(&mut |_| ())).unwrap_err();
        assert!(matches!(error, LibchdbError::Integrity { .. }));
        assert!(error.to_string().contains(HELLO), "{error}");
    }

    #[test]
    fn the_library_is_taken_out_whole_with_progress() {
        let directory = tempfile::tempdir().unwrap();
        let content = vec![7; 5_000_000];
        let packed = tgz(directory.path(), ENTRY, &content);
        let mut seen = Vec::new();
        let mut progress = |p: super::super::FetchProgress| seen.push((p.phase, p.done_bytes));
        let report = &mut Report::new(&mut progress);
        let path = unpack(&packed, &package("", 5_000_000), directory.path(), report).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), content);
        let expected = [4 * 1024 * 1024, 5_000_000].map(|done| (FetchPhase::Unpacking, done));
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_package_without_the_library_or_with_another_size_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for (entry, content) in [("package/other.so", "abc"), (ENTRY, "ab"), (ENTRY, "abcd")] {
            let packed = tgz(directory.path(), entry, content.as_bytes());
            let mut ignore = |_| ();
            let report = &mut Report::new(&mut ignore);
            let error = unpack(&packed, &package("", 3), directory.path(), report).unwrap_err();
            assert!(
                matches!(error, LibchdbError::Content { .. }),
                "{entry} {content}: {error}"
            );
            assert!(!directory.path().join("libchdb.so").exists());
        }
    }

    #[test]
    fn a_package_that_breaks_off_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let packed = tgz(directory.path(), ENTRY, &[7; 1000]);
        let bytes = std::fs::read(&packed).unwrap();
        std::fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
        let mut ignore = |_| ();
        let report = &mut Report::new(&mut ignore);
        let error = unpack(&packed, &package("", 1000), directory.path(), report).unwrap_err();
        assert!(matches!(error, LibchdbError::Disk { .. }), "{error}");
    }
}
