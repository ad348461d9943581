//! What a case has in its ledger: rules, what was approved before them, holds and pauses.

use std::sync::Arc;

use ebbtide::{
    Config, Engine, FixedClock, HoldRange, ImportRule, Ledger, NewApproval, NewHold, NewPause,
    PauseScope, Periods, RuleReader, Scope,
};
use jiff::Timestamp;

use super::case::{Case, CaseHold, CaseRule};

/// Makes these rules the active ones, and no others.
pub async fn set_rules(case: &Case, rules: &[CaseRule], periods: &Periods, ledger: &dyn Ledger) {
    let yaml = Case::rules_yaml(rules);
    let mut entries = RuleReader::new(yaml.as_bytes(), periods).map(|entry| {
        entry
            .map(ImportRule::from)
            .map_err(|problem| format!("{problem}\n{yaml}"))
    });
    ledger
        .import_rules(&mut entries, "oracle", case.now)
        .await
        .unwrap();
    let scopes: Vec<Scope> = RuleReader::new(yaml.as_bytes(), periods)
        .map(|entry| entry.unwrap().scope)
        .collect();
    let mut others = Vec::new();
    let mut visit = |record: ebbtide::RuleRecord| {
        if !scopes.contains(&record.rule.scope) {
            others.push(record.id);
        }
    };
    ledger.each_rule(false, &mut visit).await.unwrap();
    for id in others {
        let ended = ledger.deactivate_rule(id, "oracle", case.now).await;
        ended.unwrap();
    }
}

/// Approves these rules under this configuration.
pub async fn approve(case: &Case, rules: &[CaseRule], config: &Config, ledger: &Arc<dyn Ledger>) {
    set_rules(case, rules, &config.periods, &**ledger).await;
    let clock = Arc::new(FixedClock(case.now));
    let engine = Engine::new(config, Arc::clone(ledger), clock).unwrap();
    engine.note_settings("oracle").await.unwrap();
    let approval = NewApproval {
        revision: ledger.revision().await.unwrap(),
        plan_digest: "a plan".into(),
        at: case.now,
    };
    ledger.approve(&approval, "oracle").await.unwrap();
}

/// Places the holds and begins the pauses.
pub async fn guard(case: &Case, ledger: &dyn Ledger) {
    for hold in &case.holds {
        let hold = NewHold {
            scope: scope(hold),
            range: HoldRange {
                from: hold.from.map(instant),
                until: hold.until.map(instant),
            },
            reason: "a case".into(),
            owner: "oracle".into(),
            created_at: case.now,
        };
        ledger.place_hold(&hold, "oracle".into()).await.unwrap();
    }
    for workspace in &case.paused {
        let pause = NewPause {
            scope: PauseScope::Workspace(workspace.as_str().into()),
            reason: "a case".into(),
            created_at: case.now,
        };
        ledger.pause(&pause, "oracle".into()).await.unwrap();
    }
}

fn scope(hold: &CaseHold) -> Scope {
    let name = |name: &Option<String>| name.as_deref().unwrap_or_default().into();
    match (&hold.organization, &hold.project) {
        (Some(_), _) => Scope::Organization(name(&hold.organization)),
        (None, None) => Scope::Workspace(name(&hold.workspace)),
        (None, Some(_)) => Scope::Project {
            workspace: name(&hold.workspace),
            project: name(&hold.project),
        },
    }
}

fn instant(ns: i128) -> Timestamp {
    Timestamp::from_nanosecond(ns).unwrap()
}
