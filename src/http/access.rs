//! Who may ask what: the token of a request, and the needs of its route.
//!
//! Invariant: every token of the configuration is compared, each in constant time, so that the time an
//! answer takes tells nothing about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::openapi::OpenApi;

use super::Shared;
use super::problem::{Answer, Problem};
use crate::config::{Role, Tenant, Token};

/// The name of the security scheme in the description.
pub(super) const SCHEME: &str = "token";
/// The word, beside a role, for a route that a token bound to somebody may not use.
pub(super) const UNBOUND: &str = "unbound";

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The name of the token, which the record keeps.
    pub(super) name: Arc<str>,
    /// What it may do.
    pub(super) role: Role,
    /// Whose data it sees and touches.
    pub(super) tenant: Tenant,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get().cloned();
        caller.ok_or_else(|| Problem::unauthenticated("this path needs a token"))
    }
}

/// What each route needs, as its description says.
#[derive(Debug)]
pub(super) struct Access {
    routes: BTreeMap<String, BTreeMap<String, Need>>,
}

#[derive(Debug, Clone, Copy)]
struct Need {
    role: Role,
    is_unbound: bool,
}

impl Access {
    /// Reads the needs from the description. Operations that need no token have none.
    pub(super) fn of(description: &OpenApi) -> Self {
        let mut routes: BTreeMap<String, BTreeMap<String, Need>> = BTreeMap::new();
        for (path, item) in &description.paths.paths {
            let methods = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in methods {
                let needs = operation
                    .as_ref()
                    .and_then(|operation| need(operation.security.as_deref()?));
                if let Some(need) = needs {
                    let of_path = routes.entry(path.clone()).or_default();
                    of_path.insert(method.to_string(), need);
                }
            }
        }
        Self { routes }
    }
}

fn need(security: &[utoipa::openapi::security::SecurityRequirement]) -> Option<Need> {
    let text = serde_json::to_value(security.first()?).ok()?;
    let words = text.get(SCHEME)?.as_array()?.clone();
    let has = |word: &str| words.iter().any(|found| found == word);
    let role = [
        (Role::Admin, "admin"),
        (Role::Operator, "operator"),
        (Role::Viewer, "viewer"),
    ]
    .into_iter()
    .find_map(|(role, word)| has(word).then_some(role))?;
    Some(Need {
        role,
        is_unbound: has(UNBOUND),
    })
}

/// Lets a request pass to its route, with its [`Caller`], or refuses it.
pub(super) async fn authenticate(
    State(shared): State<Arc<Shared>>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let live = Arc::clone(&shared.app.live.borrow());
    let caller = match caller(&live.config.api.tokens, request.headers()) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let asked = match *request.method() {
        Method::HEAD => &Method::GET,
        ref method => method,
    };
    let methods = shared.access.routes.get(path.as_str());
    let Some(need) = methods.and_then(|methods| methods.get(asked.as_str())) else {
        return Problem::not_found("such path in the description").into_response();
    };
    let permitted = permit(&caller, *need).and_then(|()| {
        let per_minute = live.config.api.requests_per_minute;
        shared.rates.count(asked, &caller.name, per_minute)
    });
    if let Err(problem) = permitted {
        return problem.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn permit(caller: &Caller, need: Need) -> Answer<()> {
    if caller.role < need.role {
        return Err(Problem::forbidden(format!(
            "this needs the role {}, and the token has {}",
            word(need.role),
            word(caller.role)
        )));
    }
    if need.is_unbound && caller.tenant != Tenant::All {
        return Err(Problem::forbidden(
            "this is about everybody, and the token is bound to one organization or workspace",
        ));
    }
    Ok(())
}

fn caller(tokens: &[Token], headers: &HeaderMap) -> Answer<Caller> {
    if tokens.is_empty() {
        return Err(Problem::unauthenticated(
            "no token is configured, so nobody may ask; `ebbtide token` makes one and says what to add \
             under api.tokens in the configuration",
        ));
    }
    let header = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| Problem::unauthenticated("send the header Authorization: Bearer TOKEN"))?;
    let presented = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| {
            Problem::unauthenticated("the header Authorization must read: Bearer TOKEN")
        })?;
    let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
    let mut found = None;
    for token in tokens {
        if bool::from(token.sha256.ct_eq(&hash)) {
            found = Some(token);
        }
    }
    let token = found.ok_or_else(|| {
        Problem::unauthenticated("the token is not known; it may have been replaced")
    })?;
    Ok(Caller {
        name: Arc::clone(&token.name),
        role: token.role,
        tenant: token.tenant.clone(),
    })
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}
