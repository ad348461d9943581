//! The migrations of both ledgers, compiled in, and the check of what a ledger has against them.

use refinery::{Migration, Runner};

use super::LedgerError;

/// The name of a migration and its text. MySQL commits each DDL by itself: there is one a file, and
/// each can be repeated after a crash in between.
type Source = (&'static str, &'static str);

macro_rules! sources {
    ($database:literal) => {
        sources!($database: "V1__rules", "V2__workspaces", "V3__cycles", "V4__steps", "V5__meta",
            "V6__first_revision", "V7__rule_revisions", "V8__cycle_particulars", "V9__step_particulars", "V10__revisions", "V11__present_revision", "V12__settings", "V13__holds", "V14__pauses", "V15__leases", "V16__approvals", "V17__plans", "V18__request_keys", "V19__audit", "V20__audit_head", "V21__looks", "V22__ends_of_cycles", "V23__parts_of_steps", "V24__asked", "V25__quarantines", "V26__remains")
    };
    ($database:literal: $($name:literal),*) => {
        [$(($name, include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/sql/ledger/", $database, "/migrations/", $name, ".sql"
        )))),*]
    };
}

pub(super) const SQLITE: [Source; 26] = sources!("sqlite");
pub(super) const MYSQL: [Source; 26] = sources!("mysql");

/// What applies migrations that are missing.
pub(super) fn runner(sources: &[Source]) -> Result<Runner, LedgerError> {
    let migrations: Result<Vec<_>, _> = sources
        .iter()
        .map(|(name, text)| Migration::unapplied(name, text))
        .collect();
    migrations
        .map(|migrations| Runner::new(&migrations))
        .map_err(migration_failed)
}

/// The names of the migrations that a run has applied.
pub(super) fn applied_by(report: &refinery::Report) -> Vec<String> {
    let applied = report.applied_migrations().iter();
    applied
        .map(|migration| label(migration.version(), migration.name()))
        .collect()
}

pub(super) fn migration_failed(error: refinery::Error) -> LedgerError {
    LedgerError::Database {
        action: "be migrated",
        source: error.into(),
    }
}

/// Compares what a ledger has, in order, with what this version knows.
pub(super) fn check(applied: &[(i32, String)], url: &str) -> Result<(), LedgerError> {
    let found = applied
        .last()
        .map_or_else(|| "nothing".into(), |(v, name)| label(*v, name));
    let needed = SQLITE.last().map_or("", |(name, _)| *name).to_owned();
    let url = url.to_owned();
    // Numbers grow, but some may be missing between them.
    let known: Vec<i32> = SQLITE.iter().filter_map(version).collect();
    let newest = known.last().copied().unwrap_or_default();
    let has_version = |number: &i32| applied.iter().any(|(version, _)| version == number);
    if applied.iter().any(|(version, _)| *version > newest) {
        return Err(LedgerError::TooNew {
            url,
            found,
            known: needed,
        });
    }
    if known.iter().all(has_version) {
        return Ok(());
    }
    Err(LedgerError::NotMigrated { url, found, needed })
}

/// [`check`] before a migration: what is old may go on.
pub(super) fn check_not_too_new(applied: &[(i32, String)], url: &str) -> Result<(), LedgerError> {
    match check(applied, url) {
        Err(LedgerError::NotMigrated { .. }) => Ok(()),
        result => result,
    }
}

/// The number in the name of a migration.
fn version((name, _): &Source) -> Option<i32> {
    let (number, _) = name.strip_prefix('V')?.split_once("__")?;
    number.parse().ok()
}

fn label(version: i32, name: &str) -> String {
    format!("V{version}__{name}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_a_known_migration_with_a_number_of_its_own() {
        for (database, sources) in [("sqlite", SQLITE), ("mysql", MYSQL)] {
            let folder = format!("sql/ledger/{database}/migrations");
            let files: BTreeSet<_> =
                std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
                    .unwrap()
                    .map(|file| file.unwrap().path().file_stem().unwrap().to_owned())
                    .collect();
            assert_eq!(
                files,
                sources.iter().map(|(name, _)| (*name).into()).collect()
            );
            let versions: Vec<i32> = sources.iter().filter_map(version).collect();
            assert_eq!(versions.len(), sources.len());
            assert!(
                versions.is_sorted_by(|one, next| one < next),
                "{versions:?}"
            );
        }
    }

    #[test]
    fn only_the_exact_schema_passes() {
        let all: Vec<_> = (1..=26)
            .map(|version| (version, format!("m{version}")))
            .collect();
        assert!(check(&all, "u").is_ok());
        let mut newer = all.clone();
        newer.push((27, "later".into()));
        for (applied, message) in [
            (Vec::new(), "has nothing, needs V26__remains"),
            (all.get(..5).unwrap().to_vec(), "has V5__m5, needs"),
            (all.get(1..).unwrap().to_vec(), "has V26__m26, needs"),
            (newer, "has V27__later, this version knows V26__remains"),
        ] {
            let error = check(&applied, "u").unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
