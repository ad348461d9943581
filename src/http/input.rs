//! What comes in: JSON bodies, parameters, and the headers that make a change safe.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::Shared;
use super::access::Caller;
use super::problem::{Answer, Place, Problem};
use crate::ledger::{Author, RequestKey};

/// The header under which a request may be sent again.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

/// A JSON body, and the key of the request if it has one.
pub(super) struct Body<T> {
    /// What it says.
    pub(super) value: T,
    /// Identifies the request.
    pub(super) key: Option<RequestKey>,
}

impl<T> Body<T> {
    /// Who asks for a change.
    pub(super) fn author<'a>(&'a self, caller: &'a Caller) -> Author<'a> {
        Author {
            name: &caller.name,
            request: self.key.as_ref(),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::media_type());
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let caller = request.extensions().get::<Caller>().cloned();
        let idempotency = idempotency(request.headers())?;
        let time = shared.timeout();
        // Also where the answer may take longer.
        let bytes = tokio::time::timeout(time, Bytes::from_request(request, shared))
            .await
            .map_err(|_| Problem::timeout(time))?
            .map_err(|rejection| {
                if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
                    Problem::too_large(shared.body_limit())
                } else {
                    Problem::malformed("the body ended before its end")
                }
            })?;
        let key = caller.zip(idempotency).map(|(caller, key)| RequestKey {
            key: digest(&[caller.name.as_bytes(), key.as_bytes()]),
            request: digest(&[method.as_str().as_bytes(), path.as_bytes(), &bytes]),
        });
        Ok(Self {
            value: json(&bytes)?,
            key,
        })
    }
}

/// Parameters after the question mark.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let decoded = percent_encoding::percent_decode_str(query).decode_utf8();
        if decoded.is_err() {
            return Err(Problem::malformed("the parameters are not UTF-8"));
        }
        let pairs =
            serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs)
            .map(Self)
            .map_err(|error| {
                let field = named_field(&error.path().to_string(), &error.inner().to_string());
                Problem::invalid(Place::Query, &field, error.into_inner().to_string())
            })
    }
}

/// The one name or number in the path.
pub(super) struct Segment<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        use axum::extract::path::ErrorKind;
        use axum::extract::rejection::PathRejection;
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(
                if let ErrorKind::InvalidUtf8InPathParam { .. } = error.kind() {
                    Problem::malformed("the path is not UTF-8")
                } else {
                    let detail = "write a whole number that is not negative";
                    Problem::invalid(Place::Path, "id", detail)
                },
            ),
            Err(_) => Err(Problem::not_found("such path")),
        }
    }
}

/// Refuses a change of something that is not what the client believes it to be.
pub(super) fn must_match(headers: &HeaderMap, etag: &str) -> Answer<()> {
    let Some(header) = headers.get(header::IF_MATCH) else {
        return Ok(());
    };
    let text = header.to_str().unwrap_or_default();
    let is_match = text
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known == etag);
    if is_match {
        Ok(())
    } else {
        Err(Problem::precondition_failed(etag))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn idempotency(headers: &HeaderMap) -> Answer<Option<String>> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(text) if (1..=LONGEST_KEY).contains(&text.len()) => Ok(Some(text.to_owned())),
        _ => Err(Problem::invalid(
            Place::Header,
            "Idempotency-Key",
            format!("write 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID"),
        )),
    }
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let broken =
        |error: serde_json::Error| Problem::malformed(format!("the body is not JSON: {error}"));
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(broken)?;
    // A list would be taken for the fields in their order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::invalid(Place::Body, ".", "write an object: {…}"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = named_field(&error.path().to_string(), &error.inner().to_string());
        let error = error.into_inner();
        if error.is_data() {
            Problem::invalid(Place::Body, &field, error.to_string())
        } else {
            broken(error)
        }
    })
}

/// The field that an error is about. For an unknown or a missing one the path ends above it, and the
/// message names it.
fn named_field(path: &str, message: &str) -> String {
    let is_about_a_name = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    match is_about_a_name {
        Some(name) if path == "." || path == "?" => name.to_owned(),
        Some(name) if path.ends_with(name) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_string());
        hasher.update(b":");
        hasher.update(part);
    }
    hasher.finalize().into()
}
