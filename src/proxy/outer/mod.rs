//! Deciding for another proxy: nginx, Traefik, Caddy and HAProxy ask about each request with one of their own, Envoy also by gRPC.
//!
//! Refuses to judge what it was asked by in the place of what it was asked about: the request that came is turned into the one that is
//! meant, and takes the same journey as any other. Only trusted proxies may ask, and what they leave open is refused, because the
//! client would fill it in (threats P4).

mod call;
mod named;
mod protocol;
mod wanted;

use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use super::account::Account;
use super::gateway::Gateway;
use super::reject::Rejection;
use super::renewal;
use crate::config::Config;
use crate::edge::{ConnectionFacts, Unclean, fields};
use crate::forward::{Outbound, Told};
use crate::route::Target;
pub(super) use call::tell as tell_call;
pub(super) use wanted::Wanted;

/// Where Envoy's external authorization calls (`envoy/service/auth/v3/external_auth.proto`).
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Envoy takes these away before it forwards (its HTTP authorization client).
const TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever sent the request.
    Client,
    /// A proxy that passes a refusal on as it is, where its fields say what is meant.
    Proxy,
    /// The same, where the path does; takes away only what it is told to.
    ProxyByPath,
    /// nginx, which looks at the status only and knows 401 and 403.
    Nginx,
    /// oauth2-proxy's counterpart: 202, 401 or 403, and never a redirect.
    Oauth2Proxy,
    /// Envoy by gRPC.
    Call,
}

/// What a client is answered whose proxy was told so by a call; the call itself is always a success. Kept with the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered(pub(super) StatusCode);

/// How decisions are asked for.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// Whether by gRPC too.
    pub grpc: bool,
    /// oauth2-proxy's address for it.
    alias: Option<Box<str>>,
}

impl Decisions {
    /// `None`: nobody may ask.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let other = config.compatibility.oauth2_proxy.as_ref();
        let alias = other.map(|other| format!("{}/auth", other.prefix).into());
        let grpc = config.forward_auth.is_some_and(|typed| typed.grpc);
        (config.forward_auth.is_some() || alias.is_some()).then_some(Self { grpc, alias })
    }
}

impl Audience {
    pub(super) fn of(head: &RequestHeader, gateway: &Gateway) -> Self {
        let Some(decisions) = &gateway.decisions else { return Self::Client };
        // What is not sent in origin-form never comes from a proxy that asks.
        let path = head.uri.path();
        if !head.raw_path().starts_with(path.as_bytes()) {
            return Self::Client;
        }
        if decisions.grpc && path == CHECK {
            return Self::Call;
        }
        if decisions.alias.as_deref() == Some(path) {
            return Self::Oauth2Proxy;
        }
        match path.strip_prefix(&*gateway.prefix).and_then(|rest| rest.strip_prefix("/auth")) {
            Some("") if named::is_nginx(&head.headers) => Self::Nginx,
            Some("") => Self::Proxy,
            Some(rest) if rest.starts_with('/') => Self::ProxyByPath,
            _ => Self::Client,
        }
    }
}

/// Turns what came into what was asked about, and says where that comes from.
pub(super) async fn turn(
    session: &mut Session,
    gateway: &Gateway,
    audience: Audience,
) -> std::result::Result<ConnectionFacts, Rejection> {
    let facts = ConnectionFacts::of(session).ok_or(Rejection::UNJUDGED)?.clone();
    if !gateway.hygiene.trusts(facts.peer) {
        return Err(Unclean::new(403, "untrusted_peer", "Only a trusted proxy may ask.").into());
    }
    if audience == Audience::Call {
        let (head, facts) = call::asked(session, gateway, &facts).await?;
        *session.req_header_mut() = head;
        return Ok(facts);
    }
    let suffix = (audience == Audience::ProxyByPath).then(|| gateway.prefix.len() + "/auth".len());
    named::turn(session.req_header_mut(), suffix)?;
    if gateway.forwarding.holds_alias(&session.req_header().headers) {
        return Err(refuse(400, "header_alias").into());
    }
    // The proxy's own certificate says nothing about the client.
    Ok(ConnectionFacts { client_chain: [].into(), ..facts })
}

/// Doorward's own pages are never the application's to answer, so nobody is let through to them by a decision.
pub(super) fn judge(outbound: Outbound) -> std::result::Result<Outbound, Rejection> {
    if outbound.target() != Target::Door {
        return Ok(outbound);
    }
    let own = Rejection::from(Unclean::new(403, "own_page", "Doorward's own pages are not asked about: they go to Doorward."));
    Err(Rejection { route: Some(outbound.route), client: Some(outbound.client), site: outbound.site, ..own })
}

/// Says that the request may pass, and with which fields.
pub(super) async fn allow(
    session: &mut Session,
    gateway: &Gateway,
    outbound: &Outbound,
    account: &Account,
    audience: Audience,
) -> Result<()> {
    let told = gateway.forwarding.tell(outbound, &session.req_header().headers)?;
    let passes = if audience == Audience::Oauth2Proxy { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut head = ResponseHeader::build(passes, Some(24))?;
    head.insert_header(CACHE_CONTROL, "no-store")?;
    renewal::renew(session, gateway, outbound.identity.as_deref(), outbound.now, &mut head)?;
    if audience == Audience::Call {
        return call::allow(session, told, &head).await;
    }
    if audience == Audience::ProxyByPath {
        head.insert_header(TO_REMOVE, listed(&told))?;
    }
    for (name, value) in &told.set {
        head.insert_header(name.clone(), value.clone())?;
        // oauth2-proxy answers `auth_request` under names of its own.
        if let Some(name) = name.as_str().strip_prefix("x-forwarded-") {
            head.insert_header(format!("x-auth-request-{name}"), value.clone())?;
        }
    }
    account.label(&mut head)?;
    head.insert_header(header::CONTENT_LENGTH, "0")?;
    session.write_response_header(Box::new(head), true).await
}

/// A comma between each.
fn listed(told: &Told) -> HeaderValue {
    let names: Vec<&str> = told.remove.iter().map(HeaderName::as_str).collect();
    HeaderValue::try_from(names.join(",")).unwrap_or_else(|_| HeaderValue::from_static("authorization"))
}

/// What a refusal looks like to whoever asked.
pub(super) fn suit(audience: Audience, head: &mut ResponseHeader) -> Result<()> {
    // nginx takes a redirect for a failure; where to is told by `Location` all the same.
    if matches!(audience, Audience::Nginx | Audience::Oauth2Proxy)
        && head.status == StatusCode::SEE_OTHER
        && fields::holds(&head.headers, &header::LOCATION)
    {
        head.set_status(StatusCode::UNAUTHORIZED)?;
    }
    Ok(())
}

const fn refuse(status: u16, reason: &'static str) -> Unclean {
    Unclean::new(status, reason, "The question does not say which request is meant, or says it in two ways.")
}
