//! The rules of the demo, and the same rules as plain lists for a count that knows nothing of the
//! resolver, the planner and the compiler.

use anyhow::bail;
use jiff::Timestamp;

use crate::rule::{Periods, RuleEntry, RuleReader, Scope};

/// The sample rules, as `rules import` reads them.
const RULES: &str = include_str!("../../../fixtures/rules.yml");

/// When the rule that does not apply to the past was made, in the sample.
const SAMPLE_CREATED_AT: &str = "2026-05-05T00:00:00Z";

/// The sample rules, with that rule made 200 days ago: the data are as old as the demo is young.
pub(super) fn sample_rules(now: Timestamp) -> anyhow::Result<String> {
    let created_at = now.checked_sub(jiff::SignedDuration::from_hours(200 * 24))?;
    Ok(RULES.replace(SAMPLE_CREATED_AT, &format!("{created_at:.0}")))
}

/// Reads rules as `rules import` does.
pub(super) fn read(yaml: &str, periods: &Periods) -> anyhow::Result<Vec<RuleEntry>> {
    Ok(RuleReader::new(yaml.as_bytes(), periods).collect::<Result<_, _>>()?)
}

/// What was promised to whom: names and days, 0 for unlimited.
#[derive(Debug, Default)]
pub(super) struct Promises {
    pub(super) organizations: Vec<(String, String)>,
    pub(super) organization_rules: Vec<(String, u32)>,
    pub(super) workspace_rules: Vec<(String, u32)>,
    /// `workspace/project`.
    pub(super) project_rules: Vec<(String, u32)>,
    /// Workspaces whose rule does not apply to rows from before it.
    pub(super) not_before_ms: Vec<(String, i64)>,
}

impl Promises {
    pub(super) fn new(
        rules: &[RuleEntry],
        organizations: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let mut promises = Self {
            organizations,
            ..Self::default()
        };
        for rule in rules {
            let days = rule.retention.days().map_or(0, crate::rule::Days::get);
            match &rule.scope {
                Scope::Organization(name) => {
                    promises.organization_rules.push((name.to_string(), days));
                }
                Scope::Workspace(name) => promises.workspace_rules.push((name.to_string(), days)),
                Scope::Project { workspace, project } => promises
                    .project_rules
                    .push((format!("{workspace}/{project}"), days)),
            }
            match (&rule.scope, rule.apply_to_past, rule.created_at) {
                (_, true, _) => {}
                (Scope::Workspace(name), false, Some(at)) => promises
                    .not_before_ms
                    .push((name.to_string(), at.as_millisecond())),
                _ => bail!("the sample has no other rule than a workspace's that spares the past"),
            }
        }
        Ok(promises)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_sample_rules_are_of_every_kind_and_fit_the_sample_config() {
        let config = Config::parse(include_str!("../../../config.yml")).unwrap();
        let now: Timestamp = "2031-01-01T10:00:00Z".parse().unwrap();
        let rules = read(&sample_rules(now).unwrap(), &config.periods).unwrap();
        let retentions: Vec<_> = rules
            .iter()
            .map(|rule| rule.retention.to_string())
            .collect();
        for retention in ["short_14d", "base_60d", "extended_400d", "unlimited", "90d"] {
            assert!(
                retentions.iter().any(|found| found == retention),
                "{retention}"
            );
        }
        for kind in ["organization", "workspace", "project"] {
            assert!(rules.iter().any(|rule| rule.scope.kind() == kind), "{kind}");
        }
        let sparing: Vec<_> = rules.iter().filter(|rule| !rule.apply_to_past).collect();
        let made: Timestamp = "2030-06-15T10:00:00Z".parse().unwrap();
        assert_eq!(sparing.len(), 1);
        assert_eq!(sparing[0].created_at, Some(made), "200 days before now");
    }
}
