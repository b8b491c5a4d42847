//! Lists a page at a time.
//!
//! Refuses page numbers: a cursor names the last item, so that what is added or removed meanwhile shifts nothing.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::directory::Page;

/// Items of a page that names no limit, and most items.
const USUAL: u32 = 50;
const MOST: u32 = 200;

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Items after the one that this cursor names.
    #[serde(default)]
    after: Option<String>,
    /// At most so many items: 1 to 200.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    items: Vec<T>,
    /// Names the last item: `after` of the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The limit, checked.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::malformed("`limit` is 1 to 200.")),
    }
}

/// A page of a list that is ordered by ids.
pub(super) fn page(after: Option<String>, asked: Option<u32>) -> Result<Page, Problem> {
    Ok(Page { after, limit: limit(asked)? })
}

impl Paging {
    pub(super) fn page(self) -> Result<Page, Problem> {
        page(self.after, self.limit)
    }
}

/// A full page may have a next one: says its cursor.
pub(super) fn next<T>(items: &[T], limit: u32, cursor: impl Fn(&T) -> String) -> Option<String> {
    items.last().filter(|_| items.len() >= limit as usize).map(cursor)
}

/// A page of a list that comes as a whole, in an order of its own, and the cursor of the next.
pub(super) fn part<T>(all: Vec<T>, page: &Page, cursor: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let after = page.after.as_deref().and_then(|after| all.iter().position(|one| cursor(one) == after));
    let items: Vec<T> = all.into_iter().skip(after.map_or(0, |place| place + 1)).take(page.limit as usize).collect();
    let next = next(&items, page.limit, cursor);
    (items, next)
}

impl<T: Serialize> Listed<T> {
    /// With `Link: …; rel="next"` (RFC 8288) beside the cursor. `query` is what else was asked for.
    pub(super) fn answer(items: Vec<T>, next: Option<String>, query: &[(&str, Option<&str>)]) -> Response {
        let link = next.as_deref().and_then(|after| {
            let mut address = url::form_urlencoded::Serializer::new(String::new());
            address.append_pair("after", after);
            for (name, value) in query {
                if let Some(value) = value {
                    address.append_pair(name, value);
                }
            }
            HeaderValue::try_from(format!("<?{}>; rel=\"next\"", address.finish())).ok()
        });
        let mut answer = Json(Self { items, next }).into_response();
        if let Some(link) = link {
            answer.headers_mut().insert(header::LINK, link);
        }
        answer
    }
}
