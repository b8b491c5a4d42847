//! `/audit`: what happened in the tenant.
//!
//! Refuses to change the trail, and to tell what happened elsewhere.

#![expect(unused_qualifications, reason = "the macro that describes a query writes its type with a path")]

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use super::asked::{Asked, moment};
use super::caller::Caller;
use super::paging::{self, Listed};
use super::problem::Problem;
use crate::audit::{AuditFilter, Entry, Kind};

/// Which events: those that fit all that is given.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Events before the one with this number.
    #[serde(default)]
    after: Option<String>,
    /// At most so many: 1 to 200.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Only of this kind, such as `user_created`; several are separated by commas.
    #[serde(default)]
    kind: Option<String>,
    /// Only what this one did: a user id, key id, client id or `cli:NAME`.
    #[serde(default)]
    actor: Option<String>,
    /// Only what was done to this.
    #[serde(default)]
    target: Option<String>,
    /// Only from then on.
    #[serde(default)]
    #[param(format = DateTime)]
    since: Option<String>,
    /// Only before then.
    #[serde(default)]
    #[param(format = DateTime)]
    until: Option<String>,
}

/// An event of the trail.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownEvent {
    /// Its place in the trail; never used twice.
    seq: i64,
    #[schema(format = DateTime)]
    at: String,
    kind: String,
    outcome: String,
    reason: Option<String>,
    tenant: String,
    actor: Option<String>,
    target: Option<String>,
    credential: Option<String>,
    session: Option<String>,
    source: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    /// Further facts of this kind of event.
    #[schema(value_type = Object)]
    details: serde_json::Map<String, serde_json::Value>,
}

impl From<Entry> for ShownEvent {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at.to_string(),
            kind: entry.kind,
            outcome: entry.outcome,
            reason: entry.reason,
            tenant: entry.tenant,
            actor: entry.actor,
            target: entry.target,
            credential: entry.credential,
            session: entry.session,
            source: entry.source,
            user_agent: entry.user_agent,
            request_id: entry.request_id,
            details: entry.details,
        }
    }
}

fn kinds(text: &str) -> Result<Vec<Kind>, Problem> {
    let known = |name: &str| Kind::ALL.iter().find(|kind| kind.as_str() == name).copied();
    let unknown = |name: &str| Problem::unfit("kind", format!("there is no kind of event {name}"));
    text.split(',').map(|name| known(name.trim()).ok_or_else(|| unknown(name.trim()))).collect()
}

/// Events of the tenant, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Search), responses((status = 200, body = Listed<ShownEvent>)))]
pub(super) async fn list(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Asked(search): Asked<Search>,
) -> Result<Response, Problem> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| Problem::malformed("`after` is the number of an event."));
    let limit = paging::limit(search.limit)?;
    let filter = AuditFilter {
        since: search.since.as_deref().map(|since| moment("since", since)).transpose()?,
        until: search.until.as_deref().map(|until| moment("until", until)).transpose()?,
        kinds: search.kind.as_deref().map_or(Ok(Vec::new()), kinds)?,
        actor: search.actor.clone(),
        target: search.target.clone(),
        before: search.after.as_deref().map(number).transpose()?,
        limit,
        ..AuditFilter::default()
    };
    let entries = admin.events(&acting, filter).await?;
    let next = paging::next(&entries, limit, |entry| entry.seq.to_string());
    let limit = limit.to_string();
    let query = [
        ("limit", Some(limit.as_str())),
        ("kind", search.kind.as_deref()),
        ("actor", search.actor.as_deref()),
        ("target", search.target.as_deref()),
        ("since", search.since.as_deref()),
        ("until", search.until.as_deref()),
    ];
    Ok(Listed::<ShownEvent>::answer(entries.into_iter().map(Into::into).collect(), next, &query))
}
