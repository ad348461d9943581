//! `ebbtide workspaces import`: the whole file is checked before the ledger is touched, and then
//! imported in one transaction.

use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use anyhow::{Context as _, bail};
use foldhash::{HashMap, HashMapExt};
use sha2::{Digest, Sha256};

use super::super::input::{MAX_LISTED, open};
use super::super::output::counted;
use super::super::{Context, Exit, Output, progress};

pub(super) async fn run(
    path: &Path,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let name = path.display().to_string();
    let mut file = open(path)?;
    check(&file, &name)?;
    file.rewind()?;
    let mut reader = csv::Reader::from_reader(BufReader::new(&file));
    // The file was checked; it can only have changed since.
    let mut pairs = reader.records().map(|record| {
        let record = record.map_err(|error| error.to_string())?;
        let field = |index: usize| record.get(index).unwrap_or_default().into();
        Ok((field(0), field(1)))
    });
    super::put(&mut pairs, context, output).await
}

/// Reports every bad line; an error if there is one.
fn check(file: &File, name: &str) -> anyhow::Result<()> {
    let mut reader = csv::Reader::from_reader(BufReader::new(file));
    let headers = reader
        .headers()
        .with_context(|| format!("{name}: cannot read the header"))?;
    if headers != ["workspace", "organization"].as_slice() {
        let found = headers.iter().collect::<Vec<_>>().join(",");
        bail!("{name}: line 1: the header must be workspace,organization, not {found:?}");
    }
    let mut n_problems = 0;
    let mut problem = |line: u64, message: String| {
        n_problems += 1;
        if n_problems <= MAX_LISTED {
            progress::say(&format!("{name}: line {line}: {message}"));
        }
    };
    let mut seen: HashMap<[u8; 32], (u64, [u8; 32])> = HashMap::new();
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                let line = record.position().map_or(line, csv::Position::line);
                let workspace = record.get(0).unwrap_or_default();
                let digest = |index| Sha256::digest(record.get(index).unwrap_or_default()).into();
                match seen.entry(digest(0)) {
                    Entry::Vacant(free) => {
                        free.insert((line, digest(1)));
                    }
                    Entry::Occupied(taken) if taken.get().1 == digest(1) => {}
                    Entry::Occupied(taken) => {
                        let first = taken.get().0;
                        problem(
                            line,
                            format!(
                                "workspace {workspace:?} is in another organization on line \
                                 {first}; keep one of the two"
                            ),
                        );
                    }
                }
            }
            Err(error) => {
                let line = error.position().map_or(line, csv::Position::line);
                problem(line, describe(error.kind()));
                if error.is_io_error() {
                    break;
                }
            }
        }
    }
    if n_problems > MAX_LISTED {
        progress::say(&format!("{name}: and {} more", n_problems - MAX_LISTED));
    }
    if n_problems > 0 {
        bail!(
            "{name} has {}; nothing was imported",
            counted(n_problems, "problem")
        );
    }
    Ok(())
}

fn describe(kind: &csv::ErrorKind) -> String {
    match kind {
        csv::ErrorKind::UnequalLengths { len, .. } => format!(
            "{}, not 2; write workspace,organization, in quotes where a name has a comma",
            counted(*len, "field")
        ),
        csv::ErrorKind::Utf8 { .. } => "this is not UTF-8; save the file as UTF-8".into(),
        csv::ErrorKind::Io(error) => format!("cannot be read: {error}"),
        _ => "cannot be read as CSV; correct it".into(),
    }
}
