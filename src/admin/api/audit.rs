//! `/audit`: what happened in the tenant.
//!
//! Refuses to change the trail, and to tell what happened elsewhere.

#![expect(unused_qualifications, reason = "the macro that describes a query writes its type with a path")]

use std::net::IpAddr;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use super::asked::{Asked, moment};
use super::caller::Caller;
use super::paging::{self, Listed};
use super::problem::Problem;
use crate::audit::{AuditFilter, Entry, Kind, Outcome, Place, Severity};

/// Which events: those that fit all that is given.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Events before the one that this cursor names.
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
    /// Only what this person did or what was done to them: an id, or the name they sign in with.
    #[serde(default)]
    user: Option<String>,
    /// Only what succeeded, or what failed.
    #[serde(default)]
    #[param(value_type = Option<String>, pattern = "^(success|failure)$")]
    outcome: Option<Outcome>,
    /// Only what matters at least so much.
    #[serde(default)]
    #[param(value_type = Option<String>, pattern = "^(info|notice|warning|alarm)$")]
    severity: Option<Severity>,
    /// Only what failed for this reason, such as `wrong_password`.
    #[serde(default)]
    reason: Option<String>,
    /// Only from this address.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    source: Option<IpAddr>,
    /// Only in the session with this handle.
    #[serde(default)]
    session: Option<String>,
    /// Only at the request with this id.
    #[serde(default)]
    request_id: Option<String>,
    /// Only what this replica wrote.
    #[serde(default)]
    chain: Option<String>,
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
    /// By which whoever gets it twice knows it; empty for what is older than the chains.
    id: String,
    /// The replica that wrote it.
    chain: String,
    /// Its place in the chain: 1, 2, 3 …
    link: i64,
    #[schema(format = DateTime)]
    at: String,
    /// When it was written down, where that is known; `at` is when it happened.
    #[schema(format = DateTime)]
    logged_at: Option<String>,
    kind: String,
    /// `info`, `notice`, `warning` or `alarm`.
    severity: &'static str,
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
            severity: entry.severity().as_str(),
            seq: entry.seq,
            id: entry.id,
            chain: entry.chain,
            link: entry.link,
            at: entry.at.to_string(),
            logged_at: entry.logged_at.map(|at| at.to_string()),
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

/// Events of the tenant, newest first. A page may hold fewer than asked for, or none, and still have a `next`: one request looks through
/// only so much of the trail.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Search), responses((status = 200, body = Listed<ShownEvent>)))]
pub(super) async fn list(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Asked(search): Asked<Search>,
) -> Result<Response, Problem> {
    let limit = paging::limit(search.limit)?;
    let found = admin.events(&acting, search.filter(limit)?, search.user.as_deref()).await?;
    let next = found.next.map(|place| place.to_string());
    let limit = limit.to_string();
    let source = search.source.map(|source| source.to_string());
    let query = [
        ("limit", Some(limit.as_str())),
        ("kind", search.kind.as_deref()),
        ("actor", search.actor.as_deref()),
        ("target", search.target.as_deref()),
        ("user", search.user.as_deref()),
        ("outcome", search.outcome.map(Outcome::as_str)),
        ("severity", search.severity.map(Severity::as_str)),
        ("reason", search.reason.as_deref()),
        ("source", source.as_deref()),
        ("session", search.session.as_deref()),
        ("request_id", search.request_id.as_deref()),
        ("chain", search.chain.as_deref()),
        ("since", search.since.as_deref()),
        ("until", search.until.as_deref()),
    ];
    Ok(Listed::<ShownEvent>::answer(found.entries.into_iter().map(Into::into).collect(), next, &query))
}

impl Search {
    fn filter(&self, limit: u32) -> Result<AuditFilter, Problem> {
        let place = |text: &str| text.parse::<Place>().map_err(|_| Problem::malformed("`after` is the `next` of another page."));
        Ok(AuditFilter {
            since: self.since.as_deref().map(|since| moment("since", since)).transpose()?,
            until: self.until.as_deref().map(|until| moment("until", until)).transpose()?,
            kinds: self.kind.as_deref().map_or(Ok(Vec::new()), kinds)?,
            actor: self.actor.clone(),
            target: self.target.clone(),
            outcome: self.outcome,
            severity: self.severity,
            reason: self.reason.clone(),
            source: self.source,
            session: self.session.clone(),
            request_id: self.request_id.clone(),
            chain: self.chain.clone(),
            from: self.after.as_deref().map(place).transpose()?,
            limit,
            ..AuditFilter::default()
        })
    }
}
