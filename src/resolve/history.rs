//! What was promised at every revision of a span: rules that keep whatever any of them kept.
//!
//! Invariant: what the outcome expires was expired at each revision of the span. A promise that was
//! made and taken back in between counts like one that still holds.

use std::ops::Range;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use jiff::Timestamp;

use super::Directory;
use crate::rule::{Retention, Rule, RuleSet, RuleSetError, Scope};

/// The rules of a span of revisions.
#[derive(Debug)]
pub struct History {
    span: Range<u64>,
    /// What held where no rule did, and when.
    defaults: Vec<(Range<u64>, Retention)>,
    /// Most rules hold all the time: they need no list.
    unchanged: Vec<Rule>,
    changed: HashMap<Scope, Vec<(Range<u64>, Rule)>>,
}

impl History {
    /// A span in which no rule held yet. The defaults cover it without gaps.
    pub fn new(span: Range<u64>, defaults: Vec<(Range<u64>, Retention)>) -> Self {
        Self {
            span,
            defaults,
            unchanged: Vec::new(),
            changed: HashMap::new(),
        }
    }

    /// Adds a rule with the revisions at which it held.
    pub fn push(&mut self, rule: Rule, held: Range<u64>) {
        if held.start <= self.span.start && held.end >= self.span.end {
            self.unchanged.push(rule);
        } else if overlap(&held, &self.span).is_some() {
            let of_scope = self.changed.entry(rule.scope.clone()).or_default();
            of_scope.push((held, rule));
        }
    }

    /// The rules, and what holds where no rule does, that expire exactly what was expired at every
    /// revision. Moves in the directory count at once: it is that of now.
    ///
    /// # Errors
    /// [`RuleSetError::Ambiguous`] where a scope had two rules at once.
    pub fn agreed(mut self, directory: &Directory) -> Result<(RuleSet, Retention), RuleSetError> {
        let unchanged = RuleSet::new(std::mem::take(&mut self.unchanged))?;
        for of_scope in self.changed.values_mut() {
            of_scope.sort_unstable_by_key(|(held, _)| held.start);
        }
        let levels = Levels {
            history: &self,
            unchanged: &unchanged,
        };
        let agreed = |(scope, of_scope): (&Scope, &Vec<(Range<u64>, Rule)>)| {
            let (_, latest) = of_scope.last()?;
            let mut promise = Promise::default();
            levels.collect(&levels_of(scope, directory), &self.span, &mut promise);
            Some(Rule {
                retention: promise.retention?,
                apply_to_past: promise.from.is_none(),
                created_at: promise.from.unwrap_or(latest.created_at),
                ..latest.clone()
            })
        };
        let rules: Vec<Rule> = self.changed.iter().filter_map(agreed).collect();
        let mut default = Promise::default();
        levels.collect(&[], &self.span, &mut default);
        let default = default.retention.unwrap_or(Retention::Unlimited);
        let rules = if rules.is_empty() {
            unchanged
        } else {
            unchanged.with(rules)?
        };
        Ok((rules, default))
    }
}

/// The levels at which rules are looked for.
struct Levels<'a> {
    history: &'a History,
    unchanged: &'a RuleSet,
}

impl Levels<'_> {
    /// Adds what held at some revisions: the rules of the first scope, and where it had none, those
    /// of the next.
    fn collect(&self, scopes: &[Scope], within: &Range<u64>, promise: &mut Promise) {
        let Some((scope, wider)) = scopes.split_first() else {
            for (held, retention) in &self.history.defaults {
                if overlap(held, within).is_some() {
                    promise.add(retention, None);
                }
            }
            return;
        };
        if let Some(rule) = self.unchanged.of(scope) {
            promise.add_rule(rule);
            return;
        }
        let mut reached = within.start;
        for (held, rule) in self.history.changed.get(scope).into_iter().flatten() {
            let Some(held) = overlap(held, within) else {
                continue;
            };
            if reached < held.start {
                self.collect(wider, &(reached..held.start), promise);
            }
            promise.add_rule(rule);
            reached = reached.max(held.end);
        }
        if reached < within.end {
            self.collect(wider, &(reached..within.end), promise);
        }
    }
}

/// The longest retention and the latest lower bound: the intersection of all that was added.
#[derive(Default)]
struct Promise {
    retention: Option<Retention>,
    from: Option<Timestamp>,
}

impl Promise {
    fn add_rule(&mut self, rule: &Rule) {
        self.add(
            &rule.retention,
            (!rule.apply_to_past).then_some(rule.created_at),
        );
    }

    fn add(&mut self, retention: &Retention, from: Option<Timestamp>) {
        let is_longer = self.retention.as_ref().is_none_or(|longest| {
            match (longest.days(), retention.days()) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(longest), Some(days)) => days > longest,
            }
        });
        if is_longer {
            self.retention = Some(retention.clone());
        }
        // Nothing, which means no lower bound, is below every bound.
        self.from = self.from.max(from);
    }
}

/// A scope and the wider ones that hold where it has no rule.
fn levels_of(scope: &Scope, directory: &Directory) -> Vec<Scope> {
    let mut levels = vec![scope.clone()];
    let workspace = match scope {
        Scope::Organization(_) => return levels,
        Scope::Workspace(workspace) => workspace,
        Scope::Project { workspace, .. } => {
            levels.push(Scope::Workspace(Arc::clone(workspace)));
            workspace
        }
    };
    let organization = directory.organization_of(workspace).map(Arc::clone);
    levels.extend(organization.map(Scope::Organization));
    levels
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> Option<Range<u64>> {
    let both = one.start.max(other.start)..one.end.min(other.end);
    (!both.is_empty()).then_some(both)
}

#[cfg(test)]
mod tests;
