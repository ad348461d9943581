//! The model: which rows survive, said as plainly as possible and without the crate under test.

use std::collections::BTreeSet;

use super::case::{AgeType, Case, CaseBase, CaseRule, DAY_NS, Row, RowAge};

pub struct Expected {
    /// What is visible afterwards: (rid, version).
    pub rows: BTreeSet<(u64, u64)>,
    pub n_rows: u64,
    pub n_undatable: u64,
    pub n_future: u64,
    pub n_due: u64,
    pub n_kept: u64,
    pub n_waiting: u64,
    pub n_held: u64,
    pub n_paused: u64,
}

pub fn survivors(case: &Case) -> Expected {
    let mut expected = Expected {
        rows: BTreeSet::new(),
        n_rows: 0,
        n_undatable: 0,
        n_future: 0,
        n_due: 0,
        n_kept: 0,
        n_waiting: 0,
        n_held: 0,
        n_paused: 0,
    };
    let promised = promised(case);
    for row in &case.rows {
        expected.n_rows += 1;
        let at = instant(case, row);
        if at.is_none() {
            expected.n_undatable += 1;
        }
        if at.is_some_and(|at| at >= future(case)) {
            expected.n_future += 1;
        }
        let proposed = is_expired(case, row, &case.rules, case.default_days);
        let agreed = match &case.base {
            CaseBase::NotNeeded => true,
            CaseBase::Missing => false,
            CaseBase::Approved(_, default) => {
                let mut promised = promised.iter();
                promised.all(|rules| is_expired(case, row, rules, *default))
            }
        };
        let held = is_held(case, row);
        let paused = case.paused.contains(&row.workspace);
        let referred = case
            .references
            .contains(&(row.workspace.clone(), row.key.clone()));
        let goes = proposed && agreed && !held && !paused;
        if goes && referred {
            expected.n_kept += 1;
        }
        if !referred {
            expected.n_due += u64::from(goes);
            expected.n_waiting += u64::from(proposed && !agreed && !held);
            expected.n_held += u64::from(proposed && agreed && held);
            expected.n_paused += u64::from(proposed && agreed && !held && paused);
        }
        if !goes || referred {
            expected.rows.insert((row.rid, row.version));
        }
    }
    if case.replacing {
        // Of several versions only the newest is visible.
        let all = expected.rows.clone();
        expected.rows.retain(|(rid, version)| {
            !all.iter()
                .any(|(other, newer)| other == rid && newer > version)
        });
    }
    expected
}

/// The rules from the approval on: those approved; with those of now in their place; and then
/// without those that ended, one after the other.
fn promised(case: &Case) -> Vec<Vec<CaseRule>> {
    let CaseBase::Approved(approved, _) = &case.base else {
        return Vec::new();
    };
    let is_alike = |one: &CaseRule, other: &CaseRule| {
        one.organization == other.organization
            && one.workspace == other.workspace
            && one.project == other.project
    };
    let mut ending: Vec<CaseRule> = Vec::new();
    for rule in approved {
        if !case
            .rules
            .iter()
            .chain(&ending)
            .any(|other| is_alike(rule, other))
        {
            ending.push(rule.clone());
        }
    }
    let ended = (0..=ending.len()).map(|n_ended| {
        let left = ending.iter().skip(n_ended);
        case.rules.iter().chain(left).cloned().collect()
    });
    [approved.clone()].into_iter().chain(ended).collect()
}

/// The instant of a row as its column holds it.
fn instant(case: &Case, row: &Row) -> Option<i128> {
    match row.age {
        RowAge::At { ns, .. } => {
            let unit = case.age_type.unit_ns();
            let at = ns.div_euclid(unit) * unit;
            // A time that was never set reads as 1970; an id of 1970 is an id.
            (case.age_type.is_id() || at != 0).then_some(at)
        }
        RowAge::Undatable(_) | RowAge::Null => None,
    }
}

/// From a day after now on, in the unit of the column.
fn future(case: &Case) -> i128 {
    let unit = case.age_type.unit_ns().max(1_000_000);
    let at = i128::from(case.now.as_millisecond()) * 1_000_000 + DAY_NS;
    at.div_euclid(unit) * unit + if at.rem_euclid(unit) == 0 { 0 } else { unit }
}

/// A hold keeps whole units of time: days of dates, seconds of times, milliseconds of ids.
fn is_held(case: &Case, row: &Row) -> bool {
    let Some(at) = instant(case, row) else {
        return false;
    };
    let unit = match case.age_type {
        age_type if age_type.is_id() => 1_000_000,
        AgeType::Date | AgeType::Date32 => DAY_NS,
        _ => 1_000_000_000,
    };
    let organization = organization(case, row);
    case.holds.iter().any(|hold| {
        let is_of_scope = match (&hold.organization, &hold.workspace, &hold.project) {
            (Some(_), _, _) => hold.organization.as_ref() == organization,
            (None, Some(workspace), None) => *workspace == row.workspace,
            // Where rows have no project, nobody knows which of them are meant.
            (None, Some(workspace), Some(_)) if case.project_type.is_none() => {
                *workspace == row.workspace
            }
            (None, Some(workspace), project) => {
                *workspace == row.workspace && *project == row.project
            }
            (None, None, _) => unreachable!("a hold has a scope"),
        };
        let from = hold.from.map(|from| from.div_euclid(unit) * unit);
        let until = hold.until.map(|until| -(-until).div_euclid(unit) * unit);
        is_of_scope && from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until)
    })
}

fn is_expired(case: &Case, row: &Row, rules: &[CaseRule], default_days: Option<u32>) -> bool {
    let Some(at) = instant(case, row) else {
        return false;
    };
    let (days, from) = match policy(case, row, rules) {
        Some(rule) => {
            let created_ms = i128::from(rule.created_at.as_millisecond()) * 1_000_000;
            (rule.days, (!rule.apply_to_past).then_some(created_ms))
        }
        None => (default_days, None),
    };
    let Some(days) = days else { return false };
    let today = case.now.as_nanosecond().div_euclid(DAY_NS) * DAY_NS;
    at < today - i128::from(days) * DAY_NS && from.is_none_or(|from| at >= from)
}

/// Project, workspace, organization, default.
fn policy<'a>(case: &Case, row: &Row, rules: &'a [CaseRule]) -> Option<&'a CaseRule> {
    let find = |matches: &dyn Fn(&CaseRule) -> bool| rules.iter().find(|rule| matches(rule));
    let of_project = |rule: &CaseRule| {
        rule.workspace.as_ref() == Some(&row.workspace)
            && rule.project.is_some()
            && rule.project == row.project
    };
    let of_workspace =
        |rule: &CaseRule| rule.workspace.as_ref() == Some(&row.workspace) && rule.project.is_none();
    let organization = organization(case, row);
    let of_organization =
        |rule: &CaseRule| rule.organization.is_some() && rule.organization.as_ref() == organization;
    find(&of_project)
        .or_else(|| find(&of_workspace))
        .or_else(|| find(&of_organization))
}

fn organization<'a>(case: &'a Case, row: &Row) -> Option<&'a String> {
    let mut pairs = case.directory.iter().rev();
    let found = pairs.find(|(name, _)| *name == row.workspace);
    found.map(|(_, organization)| organization)
}
