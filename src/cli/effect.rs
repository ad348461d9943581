//! What becomes of a change of rules: whether it acts at once, waits for an approval, or is armed.

use jiff::Timestamp;
use serde::Serialize;

use super::progress;
use crate::config::{ApprovalMode, Config};
use crate::engine::{BaseBook, Engine, EngineError, Rulebook};
use crate::ledger::Ledger;
use crate::resolve::resolve;
use crate::rule::{Days, Retention, Rule, RuleSet, Scope};

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Effect {
    /// Whether all of it acts at once.
    pub(super) acts_at_once: bool,
    /// Whether what it deletes more waits for an approval.
    pub(super) waits_for_approval: bool,
    /// Until when what it deletes more is held back so that it can be taken back.
    pub(super) armed_until: Option<Timestamp>,
}

impl Effect {
    const AT_ONCE: Self = Self {
        acts_at_once: true,
        waits_for_approval: false,
        armed_until: None,
    };

    /// For people, as the end of a line.
    pub(super) fn describe(&self) -> String {
        if self.acts_at_once {
            return "acts at once".into();
        }
        let more = "what it deletes more than before";
        match (self.waits_for_approval, self.armed_until) {
            (true, None) => format!(
                "{more} waits for an approval: `ebbtide plan --out plan.json`, then `ebbtide apply \
                 plan.json`"
            ),
            (true, Some(at)) => {
                format!("{more} waits for an approval, and is armed until {at} at least")
            }
            (false, Some(at)) => {
                format!("{more} is armed until {at}; set the old rule again to take it back")
            }
            (false, None) => format!("{more} is armed; set the old rule again to take it back"),
        }
    }
}

/// What becomes of a change that was just made to the rule of a scope, or of all changes that were
/// made, if no scope is given. The change is made: if this cannot be told, that is only said.
pub(super) async fn of(
    scope: Option<&Scope>,
    engine: &Engine,
    ledger: &dyn Ledger,
    config: &Config,
) -> Option<Effect> {
    match look(scope, engine, ledger, config).await {
        Ok(effect) => Some(effect),
        Err(error) => {
            progress::warn(&format!(
                "it is saved, but what becomes of it cannot be told: {error}"
            ));
            None
        }
    }
}

async fn look(
    scope: Option<&Scope>,
    engine: &Engine,
    ledger: &dyn Ledger,
    config: &Config,
) -> Result<Effect, EngineError> {
    let rulebook = engine.rulebook().await?;
    let base = engine.base(&rulebook).await?;
    let default = &config.default_retention;
    let deletes_more = match (&base, scope) {
        (BaseBook::NotNeeded | BaseBook::Same { .. }, _) => false,
        (BaseBook::Missing | BaseBook::Earlier { .. }, None) => true,
        (BaseBook::Missing, Some(scope)) => Promise::of(scope, &rulebook.rules, &rulebook, default)
            .days
            .is_some(),
        (
            BaseBook::Earlier {
                rules: earlier,
                default: earlier_default,
                ..
            },
            Some(scope),
        ) => Promise::of(scope, &rulebook.rules, &rulebook, default)
            .deletes_more_than(Promise::of(scope, earlier, &rulebook, earlier_default)),
    };
    if !deletes_more {
        return Ok(Effect::AT_ONCE);
    }
    let waits_for_approval = config.approval == ApprovalMode::Required
        && ledger.approved_revision().await? < Some(rulebook.revision);
    Ok(Effect {
        acts_at_once: false,
        waits_for_approval,
        armed_until: engine.armed_at(rulebook.revision).await?,
    })
}

/// What a scope is promised: how long, and from which creation on.
#[derive(Debug, Clone, Copy)]
struct Promise {
    days: Option<Days>,
    from: Option<Timestamp>,
}

impl Promise {
    fn of(scope: &Scope, rules: &RuleSet, rulebook: &Rulebook, default: &Retention) -> Self {
        let policies = resolve(rules, &rulebook.directory, default);
        let policy = match scope {
            Scope::Organization(name) => return Self::new(rules.organization(name), default),
            Scope::Workspace(name) => policies.workspace(name),
            Scope::Project { workspace, project } => policies.project(workspace, project),
        };
        Self::new(policy.trail.winner(), default)
    }

    fn new(winner: Option<&Rule>, default: &Retention) -> Self {
        Self {
            days: winner.map_or(default, |rule| &rule.retention).days(),
            from: winner
                .filter(|rule| !rule.apply_to_past)
                .map(|rule| rule.created_at),
        }
    }

    /// Whether it ever expires a row that the other keeps.
    fn deletes_more_than(self, other: Self) -> bool {
        match (self.days, other.days) {
            (None, _) => false,
            (Some(_), None) => true,
            // A promise without a lower bound, which is nothing, is below every bound.
            (Some(days), Some(others)) => days < others || self.from < other.from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(days: Option<u32>, from: Option<&str>) -> Promise {
        Promise {
            days: days.map(|days| Days::new(days).unwrap()),
            from: from.map(|at| at.parse().unwrap()),
        }
    }

    #[test]
    fn a_promise_is_compared_by_every_row_that_it_may_ever_expire() {
        let (early, late) = (Some("2026-01-01T00:00:00Z"), Some("2026-02-01T00:00:00Z"));
        let cases = [
            // now, before, whether it deletes more
            (promise(None, None), promise(Some(7), None), false),
            (promise(Some(7), None), promise(None, None), true),
            (promise(Some(7), None), promise(Some(7), None), false),
            (promise(Some(8), None), promise(Some(7), None), false),
            (promise(Some(6), None), promise(Some(7), None), true),
            (promise(Some(7), early), promise(Some(7), None), false),
            (promise(Some(7), None), promise(Some(7), early), true),
            (promise(Some(7), early), promise(Some(7), late), true),
            (promise(Some(7), late), promise(Some(7), early), false),
            // Longer, but of rows that were spared for ever.
            (promise(Some(9), None), promise(Some(7), late), true),
            // Shorter, but of fewer rows: some of them go earlier than before.
            (promise(Some(6), late), promise(Some(7), None), true),
        ];
        for (now, before, more) in cases {
            assert_eq!(now.deletes_more_than(before), more, "{now:?} {before:?}");
        }
    }

    #[test]
    fn what_becomes_of_a_change_is_said_with_its_remedy() {
        let armed_until = Some("2026-02-01T00:00:00Z".parse().unwrap());
        let effect = |waits_for_approval, armed_until| Effect {
            acts_at_once: false,
            waits_for_approval,
            armed_until,
        };
        assert_eq!(Effect::AT_ONCE.describe(), "acts at once");
        let waits = effect(true, None).describe();
        assert!(waits.contains("`ebbtide apply plan.json`"), "{waits}");
        for armed in [effect(true, armed_until), effect(false, armed_until)] {
            let armed = armed.describe();
            assert!(armed.contains("armed until 2026-02-01"), "{armed}");
        }
    }
}
