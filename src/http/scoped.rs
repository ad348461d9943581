//! Lists of what is about a scope: rules and holds are asked for alike.

use serde::Deserialize;
use utoipa::IntoParams;

use super::page;
use super::problem::{Answer, Place};
use super::wire;
use crate::rule::Scope;

/// Which of them, and which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ScopedQuery {
    /// Those that are not in force any more, too. With a filter, a page may then hold fewer items than
    /// asked for, or none: go on while there is a `next_cursor`.
    #[serde(default)]
    pub(super) history: bool,
    /// Of this organization only.
    organization: Option<String>,
    /// Of this workspace and its projects only.
    workspace: Option<String>,
    /// Of this project of the workspace only.
    project: Option<String>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl ScopedQuery {
    /// How many items the page has.
    pub(super) fn limit(&self) -> Answer<u32> {
        page::limit(self.limit)
    }

    /// The number after which the page of this list begins.
    pub(super) fn after(&self, list: &str) -> Answer<u64> {
        Ok(page::place(list, self.cursor.as_deref())?.unwrap_or(0))
    }

    /// The scope that they are to be within, if one is named.
    pub(super) fn filter(&self) -> Answer<Option<Scope>> {
        wire::optional_scope(
            Place::Query,
            self.organization.as_deref(),
            self.workspace.as_deref(),
            self.project.as_deref(),
        )
    }
}
