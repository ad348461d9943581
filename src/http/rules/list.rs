//! Lists of rules, by pages.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::document::{Rule, rule_of};
use crate::http::access::Caller;
use crate::http::input::Query;
use crate::http::memory::Seen;
use crate::http::page::{self, Page};
use crate::http::patience::promptly;
use crate::http::problem::Answer;
use crate::http::scoped::ScopedQuery;
use crate::http::{Shared, wire};
use crate::ledger::RuleRecord;
use crate::resolve::Directory;
use crate::rule::{RuleId, Scope};

/// Rows that one request for a filtered history looks at, at most.
const LONGEST_SEARCH: usize = 5_000;
const SEARCH_STEP: u32 = 500;

/// Rules, ordered by number: the active ones, or all that ever were.
#[utoipa::path(
    get, path = "/v1/rules", tag = "rules", operation_id = "listRules", params(ScopedQuery),
    responses((status = 200, description = "A page of rules", body = Page<Rule>)),
    security(("token" = ["viewer"]))
)]
pub(in crate::http) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(query): Query<ScopedQuery>,
) -> Answer<Json<Page<Rule>>> {
    let limit = query.limit()?;
    let after = query.after("rules")?;
    let filter = query.filter()?;
    let (records, next) = if filter.is_none() && !caller.is_bound() {
        let mut records = promptly(
            shared
                .app
                .ledger
                .rules_after(after, query.history, limit + 1),
        )
        .await?;
        let next = cut(&mut records, limit);
        (records, next)
    } else if query.history {
        let seen = shared.directory_for(&caller).await?;
        let directory = seen.as_ref().map(Seen::directory);
        let is_wanted = |scope: &Scope| is_wanted(scope, &caller, filter.as_ref(), directory);
        search(&shared, after, limit, &is_wanted).await?
    } else {
        let seen = shared.see(&caller).await?;
        let directory = Some(seen.directory());
        let is_wanted = |scope: &Scope| is_wanted(scope, &caller, filter.as_ref(), directory);
        active(&shared, &seen, after, limit, &is_wanted).await?
    };
    Ok(Json(Page {
        items: records
            .into_iter()
            .map(|record| rule_of(&shared, record))
            .collect(),
        next_cursor: next.map(|id| page::cursor("rules", &id.to_string())),
    }))
}

fn is_wanted(
    scope: &Scope,
    caller: &Caller,
    filter: Option<&Scope>,
    directory: Option<&Directory>,
) -> bool {
    caller.owns(scope, directory) && filter.is_none_or(|filter| wire::is_within(scope, filter))
}

/// Cuts a list to the limit; returns the last number of the page if more follows.
fn cut(records: &mut Vec<RuleRecord>, limit: u32) -> Option<RuleId> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = records.len() > limit;
    records.truncate(limit);
    records.last().filter(|_| has_more).map(|record| record.id)
}

/// Goes through the history for what is wanted, but not for ever.
async fn search(
    shared: &Shared,
    mut after: RuleId,
    limit: u32,
    is_wanted: &(dyn Fn(&Scope) -> bool + Send + Sync),
) -> Answer<(Vec<RuleRecord>, Option<RuleId>)> {
    let enough = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut n_seen = 0;
    while n_seen < LONGEST_SEARCH {
        let records = promptly(shared.app.ledger.rules_after(after, true, SEARCH_STEP)).await?;
        if records.is_empty() {
            return Ok((found, None));
        }
        for record in records {
            if found.len() == enough {
                return Ok((found, Some(after)));
            }
            after = record.id;
            n_seen += 1;
            if is_wanted(&record.rule.scope) {
                found.push(record);
            }
        }
    }
    Ok((found, Some(after)))
}

/// The active rules that are wanted: their numbers are in memory already.
async fn active(
    shared: &Shared,
    seen: &Seen,
    after: RuleId,
    limit: u32,
    is_wanted: &(dyn Fn(&Scope) -> bool + Send + Sync),
) -> Answer<(Vec<RuleRecord>, Option<RuleId>)> {
    let enough = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut ids: Vec<RuleId> = seen
        .world
        .rulebook
        .rules
        .iter()
        .filter(|rule| rule.id > after && is_wanted(&rule.scope))
        .map(|rule| rule.id)
        .collect();
    ids.sort_unstable();
    let next = (ids.len() > enough)
        .then(|| ids.get(enough - 1).copied())
        .flatten();
    ids.truncate(enough);
    let mut records = promptly(shared.app.ledger.rules_of(&ids)).await?;
    records.retain(|record| record.deactivated.is_none());
    Ok((records, next))
}
