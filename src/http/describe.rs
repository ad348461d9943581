//! The description of the API (OpenAPI 3.1), made from the code of its routes.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, Ref, RefOr, ResponseBuilder,
    path::{Operation, ParameterIn},
};

use super::access::SCHEME;
use super::problem::{MEDIA_TYPE, ProblemDocument};

const INTRODUCTION: &str = "Rules, guards, plans and the record of Ebbtide, data retention for \
    ClickHouse.\n\nEvery path under `/v1` needs a bearer token with a role: `viewer` looks, `operator` \
    sets rules, places holds, pauses, makes plans and previews, `admin` releases holds and approves plans. The \
    role is named with each operation; `unbound` beside it means that a token bound to one organization \
    or workspace may not use it. Such a token sees and touches nothing but its own; what is not its own \
    does not exist for it.\n\nEvery error is a problem document (RFC 9457).";

/// Completes what the routes say of themselves: who this is, how one gets in, and what may go wrong
/// everywhere.
pub(super) fn complete(mut api: OpenApi) -> OpenApi {
    api.info = InfoBuilder::new()
        .title("Ebbtide")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(INTRODUCTION))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let components = api.components.get_or_insert_with(Components::new);
    components.add_security_scheme(
        SCHEME,
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("A token from `ebbtide token`"))
                .build(),
        ),
    );
    let mut schemas = Vec::new();
    <ProblemDocument as utoipa::ToSchema>::schemas(&mut schemas);
    schemas.push((
        <ProblemDocument as utoipa::ToSchema>::name().into_owned(),
        <ProblemDocument as utoipa::PartialSchema>::schema(),
    ));
    components.schemas.extend(schemas);
    for item in api.paths.paths.values_mut() {
        let operations = [
            (&mut item.get, false),
            (&mut item.post, true),
            (&mut item.put, true),
            (&mut item.patch, true),
            (&mut item.delete, true),
        ];
        for (operation, is_change) in operations {
            if let Some(operation) = operation
                && operation.security.is_some()
            {
                add_problems(operation, is_change);
            }
        }
    }
    api
}

fn add_problems(operation: &mut Operation, is_change: bool) {
    let parameters = operation.parameters.iter().flatten();
    let places: Vec<ParameterIn> = parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter.parameter_in.clone()),
            RefOr::Ref(_) => None,
        })
        .collect();
    let has_body = operation.request_body.is_some();
    let in_path = places.contains(&ParameterIn::Path);
    let problems = [
        ("400", "The request cannot be read", true),
        ("401", "No token, or none that is known", true),
        ("403", "The token may not do this", true),
        (
            "404",
            "There is no such thing, or none that the token may see",
            in_path,
        ),
        ("408", "It took too long", true),
        (
            "412",
            "It is not what If-Match says any more",
            places.contains(&ParameterIn::Header) && !has_body,
        ),
        ("413", "The body is larger than api.body_limit", has_body),
        ("415", "The body is not JSON", has_body),
        (
            "422",
            "Fields that make no sense",
            has_body || !places.is_empty(),
        ),
        (
            "429",
            "More changes than api.requests_per_minute; see Retry-After",
            is_change,
        ),
        ("500", "Not the client's doing; the log says more", true),
        (
            "503",
            "Too much at once, a server that is needed is not there, or rules make no sense",
            true,
        ),
    ];
    for (status, description, is_possible) in problems {
        if is_possible && !operation.responses.responses.contains_key(status) {
            let response = problem(description);
            operation
                .responses
                .responses
                .insert(status.into(), response.into());
        }
    }
}

fn problem(description: &str) -> utoipa::openapi::Response {
    let schema = Ref::from_schema_name(<ProblemDocument as utoipa::ToSchema>::name());
    ResponseBuilder::new()
        .description(description)
        .content(
            MEDIA_TYPE,
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .build()
}
