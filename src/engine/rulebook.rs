//! Rules, directory, holds and pauses, read from the ledger as of one revision.

use std::sync::Arc;

use super::EngineError;
use crate::config::DirectoryConfig;
use crate::guard::{Guards, Hold};
use crate::ledger::{HoldRecord, Ledger, RuleRecord, read_directory};
use crate::resolve::Directory;
use crate::rule::{Periods, Rule, RuleSet, Scope};

/// How often reading is tried again because something changed in between.
const MAX_READS: u32 = 5;

/// What resolution works on.
#[derive(Debug)]
pub struct Rulebook {
    /// The active rules.
    pub rules: RuleSet,
    /// Which workspaces belong to which organization.
    pub directory: Directory,
    /// What must stay, or wait.
    pub guards: Guards,
    /// The revision of the ledger that all of it was read at.
    pub revision: u64,
}

/// Where the rules come from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// The active ones of the ledger, with the periods that they may name.
    Ledger(&'a Periods),
    /// These, whatever the ledger says.
    Given(&'a RuleSet),
}

pub(super) async fn read(
    ledger: &dyn Ledger,
    directory: Option<&DirectoryConfig>,
    source: Source<'_>,
) -> Result<Rulebook, EngineError> {
    ledger.check_schema().await?;
    for _ in 0..MAX_READS {
        let revision = ledger.revision().await?;
        let rules = match source {
            Source::Ledger(periods) => rules(ledger, periods).await?,
            Source::Given(rules) => rules.clone(),
        };
        let guards = guards(ledger).await?;
        let holds = guards.holds().iter().map(|hold| &hold.scope);
        let scopes = rules.iter().map(|rule| &rule.scope).chain(holds);
        let directory = read_own_or_other(ledger, directory, scopes).await?;
        if ledger.revision().await? == revision {
            return Ok(Rulebook {
                rules,
                directory,
                guards,
                revision,
            });
        }
    }
    Err(EngineError::Unsettled { n_reads: MAX_READS })
}

async fn rules(ledger: &dyn Ledger, periods: &Periods) -> Result<RuleSet, EngineError> {
    let mut rules = Vec::new();
    let mut problems = Vec::new();
    ledger
        .each_rule(
            false,
            &mut |record: RuleRecord| match periods.retention(&record.rule.retention) {
                Ok(retention) => rules.push(Rule {
                    id: record.id,
                    scope: record.rule.scope,
                    retention,
                    apply_to_past: record.rule.apply_to_past,
                    created_at: record.rule.created_at,
                }),
                Err(error) => {
                    problems.push(format!(
                        "rule {} for {}: {error}",
                        record.id, record.rule.scope
                    ));
                }
            },
        )
        .await?;
    if !problems.is_empty() {
        return Err(EngineError::Rules { problems });
    }
    Ok(RuleSet::new(rules)?)
}

/// What must stay, or wait.
pub(super) async fn guards(ledger: &dyn Ledger) -> Result<Guards, EngineError> {
    let holds = ledger.holds(false).await?;
    let pauses = ledger.pauses(false).await?;
    let hold = |record: HoldRecord| Hold {
        id: record.id,
        scope: record.hold.scope,
        range: record.hold.range,
    };
    Ok(Guards::new(
        holds.into_iter().map(hold),
        pauses.into_iter().map(|record| record.pause.scope),
    ))
}

/// The directory, for rules and holds of these scopes.
pub(super) async fn read_own_or_other<'s>(
    ledger: &dyn Ledger,
    directory: Option<&DirectoryConfig>,
    mut scopes: impl Iterator<Item = &'s Scope>,
) -> Result<Directory, EngineError> {
    let Some(config) = directory else {
        return own_directory(ledger).await;
    };
    let directory = operators_directory(config).await?;
    let of_organization = |scope: &Scope| matches!(scope, Scope::Organization(_));
    if directory.is_empty() && scopes.any(of_organization) {
        return Err(EngineError::EmptyDirectory);
    }
    Ok(directory)
}

async fn own_directory(ledger: &dyn Ledger) -> Result<Directory, EngineError> {
    let mut pairs = Vec::new();
    ledger
        .each_workspace(&mut |workspace, organization| {
            pairs.push((workspace, Arc::<str>::from(organization)));
        })
        .await?;
    Ok(Directory::new(pairs)?)
}

async fn operators_directory(config: &DirectoryConfig) -> Result<Directory, EngineError> {
    let mut pairs = Vec::new();
    let database = &config.database;
    read_directory(
        &database.url,
        database.password_now(),
        &config.query,
        &mut |workspace, organization| pairs.push((workspace, Arc::<str>::from(organization))),
    )
    .await?;
    Ok(Directory::new(pairs)?)
}
