//! Files that are read twice: once to check all of it, once to import it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use anyhow::Context as _;

/// So many bad lines are listed; the rest is counted.
pub(super) const MAX_LISTED: u64 = 100;

/// The file. Stdin (`-`) and pipes are copied to a temporary file, since they can be read once.
pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    let cannot_read = || format!("cannot read {}", path.display());
    if path == Path::new("-") {
        return copy(&mut io::stdin().lock()).context("cannot read stdin");
    }
    let mut file = File::open(path).with_context(cannot_read)?;
    if file.metadata().with_context(cannot_read)?.is_file() {
        return Ok(file);
    }
    copy(&mut file).with_context(cannot_read)
}

fn copy(from: &mut impl Read) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    io::copy(from, &mut copy)?;
    copy.rewind()?;
    Ok(copy)
}
