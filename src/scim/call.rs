//! One call: who it is, what is asked, the answer, and a copy of both for the inspector.
//!
//! Refuses bodies that are too large before they are read whole, and whatever is no JSON.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::bearer::Origin;
use super::error::{Flaw, MEDIA_TYPE, ScimError};
use super::list::Query;
use super::schema::Kind;
use super::{Scim, bulk, discovery, groups, inspector, search, users};
use crate::clock::Timestamp;
use crate::forward::Outbound;
use crate::model::{Provisioner, ScimToken};
use crate::telemetry::RequestId;

/// Bytes of a request's body.
pub(super) const LARGEST: usize = 1024 * 1024;

/// Whose call it is.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub token: String,
    pub by: Provisioner,
    pub origin: Origin,
    pub now: Timestamp,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub method: Method,
    /// Below the door's root, without slashes at the ends.
    pub path: String,
    pub query: Query,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub body: Option<Value>,
}

impl Ask {
    pub(super) fn body(&self) -> Result<&Value, ScimError> {
        self.body.as_ref().ok_or_else(|| ScimError::flaw(Flaw::InvalidSyntax, "The request has no body"))
    }

    /// Whether a resource with this version may be changed (RFC 7644 §3.14).
    pub(super) fn check_match(&self, version: &str) -> Result<(), ScimError> {
        match &self.if_match {
            Some(wanted) if !names(wanted, version) => {
                Err(ScimError::new(StatusCode::PRECONDITION_FAILED, "The resource has another version"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the client has this version already.
    pub(super) fn has(&self, version: &str) -> bool {
        self.if_none_match.as_ref().is_some_and(|known| names(known, version))
    }
}

/// Whether a list of entity tags names this one; compared weakly (RFC 9110 §8.8.3.2).
fn names(list: &str, version: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    list.trim() == "*" || list.split(',').any(|tag| plain(tag) == plain(version))
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub body: Option<Value>,
    pub version: Option<String>,
    pub location: Option<String>,
}

impl Reply {
    pub(super) const fn empty(status: StatusCode) -> Self {
        Self { status, body: None, version: None, location: None }
    }

    pub(super) const fn document(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), version: None, location: None }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let body = self.body.map(|body| body.to_string()).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        if self.status != StatusCode::NO_CONTENT && self.status != StatusCode::NOT_MODIFIED {
            headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in [(header::ETAG, self.version), (header::LOCATION, self.location)] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
        response
    }
}

pub(super) async fn answer(scim: &Scim, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let now = scim.means.clock.now();
    let Some(judged) = parts.extensions.get::<Arc<Outbound>>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let origin = Origin {
        client: judged.client,
        user_agent: text(&parts.headers, &header::USER_AGENT).map(|text| text.chars().take(256).collect()),
        request_id: parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned()),
    };
    let token = match scim.authenticate(&parts.headers, &origin, now).await {
        Ok(token) => token,
        Err(error) => return error.into_response(),
    };
    let caller = Caller { by: token.provisioner(), token: token.id.clone(), origin, now };
    let body = read(body).await;
    let outcome = match &body {
        Ok(bytes) => ask(scim, &caller, &parts.method, &parts.uri, &parts.headers, bytes).await,
        Err(error) => Err(error.clone()),
    };
    scim.inspect(&token, &parts.method, &parts.uri, body.ok().as_ref(), &outcome, now);
    match outcome {
        Ok(reply) => reply.into_response(),
        Err(error) => error.into_response(),
    }
}

async fn read(body: axum::body::Body) -> Result<Bytes, ScimError> {
    match Limited::new(body, LARGEST).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(ScimError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("A request is at most {LARGEST} bytes long")))
        }
        Err(_) => Err(ScimError::new(StatusCode::BAD_REQUEST, "The request's body could not be read")),
    }
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

async fn ask(
    scim: &Scim,
    caller: &Caller,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Reply, ScimError> {
    let body = if body.is_empty() {
        None
    } else {
        let parsed = serde_json::from_slice(body);
        Some(parsed.map_err(|_| ScimError::flaw(Flaw::InvalidSyntax, "The request's body is no JSON"))?)
    };
    let below = scim.roots.iter().find_map(|root| uri.path().strip_prefix(root.as_str())).unwrap_or_default();
    let ask = Ask {
        method: method.clone(),
        path: below.trim_matches('/').to_owned(),
        query: Query::of(uri.query().unwrap_or_default())?,
        if_match: text(headers, &header::IF_MATCH),
        if_none_match: text(headers, &header::IF_NONE_MATCH),
        body,
    };
    dispatch(scim, caller, &ask).await
}

/// From an address and a method to what is done.
pub(super) async fn dispatch(scim: &Scim, caller: &Caller, ask: &Ask) -> Result<Reply, ScimError> {
    let (first, rest) = ask.path.split_once('/').unwrap_or((ask.path.as_str(), ""));
    let is = |name: &str| first.eq_ignore_ascii_case(name);
    if is("Users") {
        return resources(scim, caller, ask, Kind::User, rest).await;
    }
    if is("Groups") {
        return resources(scim, caller, ask, Kind::Group, rest).await;
    }
    match (&ask.method, rest) {
        (&Method::POST, "") if is("Bulk") => bulk::perform(scim, caller, ask).await,
        (&Method::POST, "") if is(".search") => search::everything(scim, caller, &Query::of_body(ask.body()?)?).await,
        (&Method::GET, "") if ask.path.is_empty() => search::everything(scim, caller, &ask.query).await,
        (&Method::GET, _) => discovery::describe(scim, ask, first, rest),
        (_, "") if is("Bulk") || is(".search") || discovery::is_known(first) => Err(wrong_method()),
        (_, "") if is("Me") => Err(ScimError::new(StatusCode::NOT_IMPLEMENTED, "A token is nobody, so there is no /Me")),
        _ => Err(ScimError::missing(&ask.path)),
    }
}

fn wrong_method() -> ScimError {
    ScimError::new(StatusCode::METHOD_NOT_ALLOWED, "This method is not offered here")
}

async fn resources(scim: &Scim, caller: &Caller, ask: &Ask, kind: Kind, rest: &str) -> Result<Reply, ScimError> {
    match (&ask.method, rest) {
        (&Method::GET, "") => search::of_kind(scim, caller, kind, &ask.query).await,
        (&Method::POST, ".search") => search::of_kind(scim, caller, kind, &Query::of_body(ask.body()?)?).await,
        (&Method::POST, "") => match kind {
            Kind::User => users::create(scim, caller, ask).await,
            Kind::Group => groups::create(scim, caller, ask).await,
        },
        (_, "" | ".search") => Err(wrong_method()),
        (method, id) => match (kind, method) {
            (Kind::User, &Method::GET) => users::read(scim, caller, ask, id).await,
            (Kind::User, &Method::PUT) => users::replace(scim, caller, ask, id).await,
            (Kind::User, &Method::PATCH) => users::patch(scim, caller, ask, id).await,
            (Kind::User, &Method::DELETE) => users::delete(scim, caller, ask, id).await,
            (Kind::Group, &Method::GET) => groups::read(scim, caller, ask, id).await,
            (Kind::Group, &Method::PUT) => groups::replace(scim, caller, ask, id).await,
            (Kind::Group, &Method::PATCH) => groups::patch(scim, caller, ask, id).await,
            (Kind::Group, &Method::DELETE) => groups::delete(scim, caller, ask, id).await,
            _ => Err(wrong_method()),
        },
    }
}

impl Scim {
    fn inspect(
        &self,
        token: &ScimToken,
        method: &Method,
        uri: &Uri,
        body: Option<&Bytes>,
        outcome: &Result<Reply, ScimError>,
        began: Timestamp,
    ) {
        let took = self.means.clock.now().since(began);
        self.means.calls.note(inspector::copy(token, method, uri, body, outcome, began, took));
    }
}
