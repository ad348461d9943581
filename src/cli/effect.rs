//! What becomes of a change of rules: whether it acts at once, waits for an approval, or is armed.

use jiff::Timestamp;
use serde::Serialize;

use super::progress;
use crate::config::{ApprovalMode, Config};
use crate::engine::{BaseBook, Engine, EngineError, Promise};
use crate::ledger::Ledger;
use crate::rule::Scope;

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
        // Where there is none, everything is stopped, which is looked at next.
        (BaseBook::NotNeeded | BaseBook::Same { .. } | BaseBook::Missing, _) => false,
        (BaseBook::Earlier { .. }, None) => true,
        (
            BaseBook::Earlier {
                rules: earlier,
                default: earlier_default,
                ..
            },
            Some(scope),
        ) => {
            let directory = &rulebook.directory;
            let before = Promise::of(scope, earlier, directory, earlier_default);
            Promise::of(scope, &rulebook.rules, directory, default).deletes_more_than(before)
        }
    };
    // What every target keeps waiting does not go at once either.
    let is_stopped = engine.is_stopped_by(&base)
        && scope.is_none_or(|scope| {
            let now = Promise::of(scope, &rulebook.rules, &rulebook.directory, default);
            now.deletes_more_than(Promise::FOR_EVER)
        });
    if !deletes_more && !is_stopped {
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

#[cfg(test)]
mod tests {
    use super::*;

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
