//! Pages of lists: at most so many items, and a cursor to go on from.

use axum::Json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Answer, Place, Problem};

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 500;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// Where the next page begins; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// Cuts a page from items of which one more than the limit was asked for. `place` says where an item
/// stands in the list.
pub(super) fn cut<T>(
    list: &str,
    mut items: Vec<T>,
    limit: u32,
    place: impl Fn(&T) -> String,
) -> Json<Page<T>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let end = items.last().filter(|_| has_more);
    Json(Page {
        next_cursor: end.map(|item| cursor(list, &place(item))),
        items,
    })
}

/// How many items a page has.
pub(super) fn limit(asked: Option<u32>) -> Answer<u32> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid(
            Place::Query,
            "limit",
            format!("write a number from 1 to {MAX_LIMIT}"),
        )),
    }
}

/// A cursor: the list and the place in it, in a form that nobody is tempted to read.
pub(super) fn cursor(list: &str, place: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{place}"))
}

/// Reads a cursor of this list.
pub(super) fn place<T: std::str::FromStr>(list: &str, cursor: Option<&str>) -> Answer<Option<T>> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (of, place) = text.split_once(':')?;
        (of == list).then(|| place.parse().ok()).flatten()
    };
    let place = read().ok_or_else(|| {
        Problem::invalid(
            Place::Query,
            "cursor",
            "this is no cursor of this list; take next_cursor of the page before, as it is",
        )
    })?;
    Ok(Some(place))
}
