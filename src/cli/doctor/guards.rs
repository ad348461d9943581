//! What `doctor` says about guards: what waits, what is held, what is paused, and who is at work.

use super::{Code, Findings};
use crate::config::{ApprovalMode, Config};
use crate::engine::{BaseBook, Engine, Rulebook};
use crate::ledger::{Ledger, LedgerError};

pub(super) async fn check(ledger: &dyn Ledger, config: &Config, findings: &mut Findings) {
    let checked = async {
        approval(ledger, config, findings).await?;
        in_force(ledger, findings).await
    };
    if let Err(error) = checked.await {
        let remedy = "mend the ledger: until then nothing is deleted";
        findings.error(Code::Ledger, "guards", error, remedy);
    }
}

/// What waits whatever the rules say.
pub(super) async fn check_base(
    engine: &Engine,
    rulebook: &Rulebook,
    config: &Config,
    findings: &mut Findings,
) {
    let base = match engine.base(rulebook).await {
        Ok(base) => base,
        Err(error) => {
            let remedy = "see that the ledger can be read, and that its rules make sense";
            return findings.error(Code::Approval, "approval", error, remedy);
        }
    };
    let remedy = match config.approval {
        ApprovalMode::Required => {
            "look at `ebbtide plan --out plan.json`, then `ebbtide apply plan.json`"
        }
        ApprovalMode::None => "it goes once it was armed for long enough",
    };
    if let BaseBook::Same { revision, .. } | BaseBook::Earlier { revision, .. } = &base {
        for change in base.changes() {
            let subject = change.table.as_deref().or(change.shard.as_deref());
            findings.warn(
                Code::Approval,
                subject.unwrap_or("targets"),
                format!("changed since revision {revision}, so its rows wait: {change}"),
                remedy,
            );
        }
    }
    if matches!(base, BaseBook::Missing) && is_approved(engine).await && config.armed_for.is_zero()
    {
        findings.warn(
            Code::Approval,
            "approval",
            "the approval is of a version that did not note the targets, so it counts for nothing",
            remedy,
        );
    }
}

async fn is_approved(engine: &Engine) -> bool {
    matches!(engine.ledger().approved_revision().await, Ok(Some(_)))
}

async fn approval(
    ledger: &dyn Ledger,
    config: &Config,
    findings: &mut Findings,
) -> Result<(), LedgerError> {
    if config.approval == ApprovalMode::None {
        return Ok(());
    }
    let revision = ledger.revision().await?;
    match ledger.approved_revision().await? {
        None => findings.warn(
            Code::Approval,
            "approval",
            "nothing was approved yet, so nothing is deleted",
            "look at `ebbtide plan --out plan.json`, then `ebbtide apply plan.json`",
        ),
        Some(approved) if approved == revision => {
            let message = format!("revision {approved} is approved, the latest");
            findings.ok(Code::Approval, "approval", message);
        }
        Some(approved) => {
            let message = format!(
                "revision {approved} is approved; the ledger is at {revision}, and what that \
                 deletes beyond it waits"
            );
            findings.ok(Code::Approval, "approval", message);
        }
    }
    Ok(())
}

async fn in_force(ledger: &dyn Ledger, findings: &mut Findings) -> Result<(), LedgerError> {
    let holds = ledger.holds(false).await?;
    if !holds.is_empty() {
        let message = format!("{} in force; `ebbtide holds list` shows them", holds.len());
        findings.ok(Code::Hold, "holds", message);
    }
    for record in ledger.pauses(false).await? {
        let pause = &record.pause;
        findings.warn(
            Code::Pause,
            "pause",
            format!(
                "{} is paused since {} by {}: {}",
                pause.scope, pause.created_at, record.created_by, pause.reason
            ),
            "`ebbtide resume`, when the reason is gone",
        );
    }
    for lease in ledger.leases().await? {
        let message = format!(
            "{} is at work, until {} at least",
            lease.holder, lease.expires_at
        );
        findings.ok(Code::Lease, "lease", message);
    }
    Ok(())
}
