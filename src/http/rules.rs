//! `/v1/rules`: what people set.

mod document;
mod effect;
pub(super) mod list;
pub(super) mod preview;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::document::{Rule, rule_of};
use self::effect::Effect;
pub(super) use self::effect::of_workspace;
use super::Shared;
use super::access::Caller;
use super::input::{Body, Segment, must_match};
use super::memory::Seen;
use super::patience::{promptly, soon};
use super::problem::{Answer, Place, Problem};
use super::wire;
use crate::ledger::{Deactivation, NewRule, RuleRecord};
use crate::rule::{Retention, RuleId};

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
