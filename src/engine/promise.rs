//! What a scope is promised, and whether a change deletes more than was promised before.

use jiff::Timestamp;

use crate::resolve::{Directory, resolve};
use crate::rule::{Days, Retention, Rule, RuleSet, Scope};

/// What a scope is promised: how long, and from which creation on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    days: Option<Days>,
    from: Option<Timestamp>,
}

impl Promise {
    /// Nothing is deleted.
    pub(crate) const FOR_EVER: Self = Self {
        days: None,
        from: None,
    };

    /// What rules promise a scope. The directory need only know its workspace.
    pub(crate) fn of(
        scope: &Scope,
        rules: &RuleSet,
        directory: &Directory,
        default: &Retention,
    ) -> Self {
        let policies = resolve(rules, directory, default);
        let policy = match scope {
            Scope::Organization(name) => {
                let rule = rules.organization(name);
                return Self::new(rule.map_or(default, |rule| &rule.retention), rule);
            }
            Scope::Workspace(name) => policies.workspace(name),
            Scope::Project { workspace, project } => policies.project(workspace, project),
        };
        Self::new(policy.retention, policy.trail.winner())
    }

    fn new(retention: &Retention, winner: Option<&Rule>) -> Self {
        let winner = winner.filter(|rule| !rule.apply_to_past);
        Self::since(retention, winner.map(|rule| rule.created_at))
    }

    /// A retention, for rows from an instant on if one is given.
    pub(crate) fn since(retention: &Retention, from: Option<Timestamp>) -> Self {
        Self {
            days: retention.days(),
            from,
        }
    }

    /// Whether it ever expires a row that the other keeps.
    pub(crate) fn deletes_more_than(self, other: Self) -> bool {
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
}
