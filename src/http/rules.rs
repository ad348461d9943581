//! `/v1/rules`: what people set.

mod effect;
pub(super) mod preview;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::effect::Effect;
pub(super) use self::effect::of_workspace;
use super::Shared;
use super::access::Caller;
use super::input::{Body, Query, Segment, must_match};
use super::memory::Seen;
use super::page::{self, Page};
use super::patience::{promptly, soon};
use super::problem::{Answer, Place, Problem};
use super::wire;
use crate::ledger::{Deactivation, NewRule, RuleRecord};
use crate::resolve::Directory;
use crate::rule::{Retention, RuleId, Scope};

/// Rows that one request for a filtered history looks at, at most.
const LONGEST_SEARCH: usize = 5_000;
const SEARCH_STEP: u32 = 500;

/// A rule to be set: for an organization, a workspace, or a project of a workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleRequest {
    /// The organization.
    #[schema(max_length = 1_024)]
    organization: Option<String>,
    /// The workspace.
    #[schema(max_length = 1_024)]
    workspace: Option<String>,
    /// A project of the workspace.
    #[schema(max_length = 1_024)]
    project: Option<String>,
    /// `unlimited`, a period of the configuration, or a number of days such as `7d`.
    #[schema(max_length = 1_024)]
    retention: String,
    /// Whether rows from before its creation follow it too.
    #[serde(default = "yes")]
    #[schema(default = true)]
    apply_to_past: bool,
}

pub(super) fn yes() -> bool {
    true
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rule {
    /// Its number.
    #[schema(value_type = u64)]
    id: RuleId,
    /// The organization it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Arc<str>>,
    /// The workspace it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<Arc<str>>,
    /// The project it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Arc<str>>,
    /// As a person wrote it.
    retention: String,
    /// The days that this means today; missing for `unlimited`.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    /// Whether rows from before its creation follow it too.
    apply_to_past: bool,
    /// When it was created.
    created_at: Timestamp,
    /// Who created it.
    created_by: String,
    /// Whether it is active.
    is_active: bool,
    /// When it was deactivated or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated_at: Option<Timestamp>,
    /// Who did that.
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated_by: Option<String>,
}

/// A rule that was set, and what becomes of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedRule {
    /// The rule.
    rule: Rule,
    /// The number of the rule of the same scope that it replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    replaced: Option<RuleId>,
    /// When it acts; missing where that cannot be told now, because the rules before it could not be
    /// read.
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<Effect>,
}

fn etag(record: &RuleRecord) -> String {
    let state = if record.deactivated.is_none() {
        "active"
    } else {
        "inactive"
    };
    format!("\"rule-{}-{state}\"", record.id)
}

/// Which rules, and which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleQuery {
    /// Inactive ones too. With a filter, a page may then hold fewer items than asked for, or none: go
    /// on while there is a `next_cursor`.
    #[serde(default)]
    history: bool,
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

/// Set a rule. It replaces the active one of its scope.
#[utoipa::path(
    post, path = "/v1/rules", tag = "rules", operation_id = "createRule", request_body = RuleRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key acts once", max_length = 255)),
    responses((status = 201, description = "It is set", body = CreatedRule,
        headers(("Location" = String, description = "The rule"), ("ETag" = String, description = "For If-Match")))),
    security(("token" = ["operator"]))
)]
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    body: Body<RuleRequest>,
) -> Answer<Response> {
    let asked = &body.value;
    let scope = wire::scope(
        Place::Body,
        asked.organization.as_deref(),
        asked.workspace.as_deref(),
        asked.project.as_deref(),
    )?;
    let seen = shared.directory_for(&caller).await?;
    caller.must_own(&scope, seen.as_ref().map(Seen::directory))?;
    let retention = retention(&shared, &asked.retention)?;
    shared.columns.check(&shared.live(), &scope).await?;
    let rule = NewRule {
        scope,
        retention: asked.retention.clone(),
        apply_to_past: asked.apply_to_past,
        created_at: promptly(shared.app.ledger.now()).await?,
    };
    let before = soon(shared.recall(&caller)).await;
    let (ledger, by) = (Arc::clone(&shared.app.ledger), caller.clone());
    let creating = async move { ledger.create_rule(&rule, body.author(&by)).await };
    let created = shared.change(&caller, creating).await?;
    let record = find(&shared, created.id)
        .await?
        .ok_or_else(|| Problem::not_found("such rule"))?;
    let headers = [
        (header::LOCATION, format!("/v1/rules/{}", created.id)),
        (header::ETAG, etag(&record)),
    ];
    let answer = CreatedRule {
        effect: before.and_then(|before| {
            let config = &shared.live().config;
            Some(Effect::of(config, &before.ok()?, &record.rule, &retention))
        }),
        rule: rule_of(&shared, record),
        replaced: created.replaced,
    };
    Ok((StatusCode::CREATED, headers, Json(answer)).into_response())
}

/// Rules, ordered by number: the active ones, or all that ever were.
#[utoipa::path(
    get, path = "/v1/rules", tag = "rules", operation_id = "listRules", params(RuleQuery),
    responses((status = 200, description = "A page of rules", body = Page<Rule>)),
    security(("token" = ["viewer"]))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Query(query): Query<RuleQuery>,
) -> Answer<Json<Page<Rule>>> {
    let limit = page::limit(query.limit)?;
    let after: RuleId = page::place("rules", query.cursor.as_deref())?.unwrap_or(0);
    let filter = wire::optional_scope(
        Place::Query,
        query.organization.as_deref(),
        query.workspace.as_deref(),
        query.project.as_deref(),
    )?;
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

/// One rule, active or not.
#[utoipa::path(
    get, path = "/v1/rules/{id}", tag = "rules", operation_id = "getRule",
    params(("id" = u64, Path, description = "The rule")),
    responses((status = 200, description = "The rule", body = Rule,
        headers(("ETag" = String, description = "For If-Match")))),
    security(("token" = ["viewer"]))
)]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segment(id): Segment<u64>,
) -> Answer<Response> {
    let record = own(&shared, &caller, id).await?;
    let etag = [(header::ETAG, etag(&record))];
    Ok((etag, Json(rule_of(&shared, record))).into_response())
}

/// Deactivate a rule. What is wider holds then: the workspace's rule, the organization's, the default.
#[utoipa::path(
    delete, path = "/v1/rules/{id}", tag = "rules", operation_id = "deactivateRule",
    params(("id" = u64, Path, description = "The rule"), ("If-Match" = Option<String>, Header, description = "Its ETag")),
    responses((status = 204, description = "It is inactive, now or before")),
    security(("token" = ["operator"]))
)]
pub(super) async fn deactivate(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Segment(id): Segment<u64>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let record = own(&shared, &caller, id).await?;
    must_match(&headers, &etag(&record))?;
    let now = promptly(shared.app.ledger.now()).await?;
    let (ledger, by) = (Arc::clone(&shared.app.ledger), Arc::clone(&caller.name));
    let deactivating = async move { ledger.deactivate_rule(id, &by, now).await };
    match shared.change(&caller, deactivating).await? {
        Deactivation::NotFound => Err(Problem::not_found("such rule")),
        Deactivation::Done | Deactivation::AlreadyInactive => Ok(StatusCode::NO_CONTENT),
    }
}

async fn own(shared: &Arc<Shared>, caller: &Caller, id: RuleId) -> Answer<RuleRecord> {
    let seen = shared.directory_for(caller).await?;
    find(shared, id)
        .await?
        .filter(|record| caller.owns(&record.rule.scope, seen.as_ref().map(Seen::directory)))
        .ok_or_else(|| Problem::not_found("such rule"))
}

async fn find(shared: &Shared, id: RuleId) -> Answer<Option<RuleRecord>> {
    match wire::existing(id) {
        Some(id) => Ok(promptly(shared.app.ledger.rule(id)).await?),
        None => Ok(None),
    }
}

/// Reads a retention as the configuration knows it.
pub(super) fn retention(shared: &Shared, text: &str) -> Answer<Retention> {
    wire::short(Place::Body, "retention", text, wire::LONGEST_NAME)?;
    let live = shared.app.live.borrow();
    let retention = live.config.periods.retention(text);
    retention.map_err(|error| Problem::invalid(Place::Body, "retention", error.to_string()))
}

fn rule_of(shared: &Shared, record: RuleRecord) -> Rule {
    let (organization, workspace, project) = wire::names(&record.rule.scope);
    let is_active = record.deactivated.is_none();
    let (deactivated_at, deactivated_by) = record.deactivated.unzip();
    // An old rule may name a period that is gone.
    let known = shared
        .app
        .live
        .borrow()
        .config
        .periods
        .retention(&record.rule.retention);
    Rule {
        id: record.id,
        organization,
        workspace,
        project,
        days: known
            .ok()
            .and_then(|retention| Some(retention.days()?.get())),
        retention: record.rule.retention,
        apply_to_past: record.rule.apply_to_past,
        created_at: record.rule.created_at,
        created_by: record.created_by,
        is_active,
        deactivated_at,
        deactivated_by,
    }
}
