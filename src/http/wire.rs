//! Forms that several resources share.

use std::sync::Arc;

use super::problem::{Answer, FieldError, Place, Problem};
use crate::rule::Scope;

/// Bytes that a name may have. Every instance keeps all names in memory.
pub(super) const LONGEST_NAME: usize = 1_024;
/// Bytes that a reason, or who answers for something, may have.
pub(super) const LONGEST_TEXT: usize = 4_096;

/// Makes a scope of what a body or the parameters say.
pub(super) fn scope(
    place: Place,
    organization: Option<&str>,
    workspace: Option<&str>,
    project: Option<&str>,
) -> Answer<Scope> {
    optional_scope(place, organization, workspace, project)?.ok_or_else(|| {
        let detail = "name an organization, or a workspace, or a workspace and its project";
        Problem::invalid(place, "workspace", detail)
    })
}

/// The same, where it may be missing.
pub(super) fn optional_scope(
    place: Place,
    organization: Option<&str>,
    workspace: Option<&str>,
    project: Option<&str>,
) -> Answer<Option<Scope>> {
    let wrong = |field: &str, detail: &str| {
        Err(Problem::fields(vec![FieldError {
            place,
            field: field.into(),
            detail: detail.into(),
        }]))
    };
    let names = [
        ("organization", organization),
        ("workspace", workspace),
        ("project", project),
    ];
    for (field, name) in names {
        short(place, field, name.unwrap_or_default(), LONGEST_NAME)?;
    }
    match (organization, workspace, project) {
        (None, None, None) => Ok(None),
        (Some(name), None, None) => Ok(Some(Scope::Organization(name.into()))),
        (None, Some(name), None) => Ok(Some(Scope::Workspace(name.into()))),
        (None, Some(workspace), Some(project)) => Ok(Some(Scope::Project {
            workspace: workspace.into(),
            project: project.into(),
        })),
        (None, None, Some(_)) => {
            wrong("workspace", "a project belongs to a workspace; name it too")
        }
        (Some(_), ..) => wrong(
            "organization",
            "an organization excludes workspace and project; a scope is one of them",
        ),
    }
}

/// The names of a scope: organization, workspace, project.
pub(super) type Names = (Option<Arc<str>>, Option<Arc<str>>, Option<Arc<str>>);

/// Takes a scope apart.
pub(super) fn names(scope: &Scope) -> Names {
    match scope {
        Scope::Organization(name) => (Some(Arc::clone(name)), None, None),
        Scope::Workspace(name) => (None, Some(Arc::clone(name)), None),
        Scope::Project { workspace, project } => {
            (None, Some(Arc::clone(workspace)), Some(Arc::clone(project)))
        }
    }
}

/// Whether a scope lies within a filter: itself, or the projects of a workspace.
pub(super) fn is_within(scope: &Scope, filter: &Scope) -> bool {
    match (scope, filter) {
        (Scope::Project { workspace, .. }, Scope::Workspace(filter)) => workspace == filter,
        _ => scope == filter,
    }
}

/// A text that must say something.
pub(super) fn said(field: &str, text: &str) -> Answer<()> {
    if text.trim().is_empty() {
        let detail = "it is empty; whoever meets this later must understand it";
        return Err(Problem::invalid(Place::Body, field, detail));
    }
    short(Place::Body, field, text, LONGEST_TEXT)
}

/// A text that is not too long.
pub(super) fn short(place: Place, field: &str, text: &str, longest: usize) -> Answer<()> {
    if text.len() > longest {
        let detail = format!("it has {} bytes; {longest} at most", text.len());
        return Err(Problem::invalid(place, field, detail));
    }
    Ok(())
}

/// A number that the ledger can hold; a greater one cannot exist.
pub(super) fn existing(id: u64) -> Option<u64> {
    i64::try_from(id).ok().map(|_| id)
}
