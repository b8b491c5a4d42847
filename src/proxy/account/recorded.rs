//! The span of a request, in the words of OpenTelemetry's semantic conventions for HTTP servers.
//!
//! Refuses queries, fields and identities: a trace is read by more people than the request was meant for. Paths are told only if that is
//! wanted, since they hold names and tokens; the pattern of the route always is.

use std::borrow::Cow;

use http::uri::Authority;
use http::{HeaderValue, Method};

use super::Account;
use super::exchanged::{Exchanged, name};
use crate::telemetry::{Decision, masked_path};
use crate::trace::Attribute;

/// Longest host or path that is told, in bytes.
const LONGEST: usize = 1024;
/// The first status that says that the server failed (RFC 9110 §15.6).
const FAILURES: u16 = 500;

impl Account {
    /// `GET /files/**`
    pub(super) fn span_name(&self, exchanged: &Exchanged<'_>) -> String {
        let method = known(exchanged.method).unwrap_or("HTTP");
        match &self.route {
            Some(route) => format!("{method} {}", route.pattern()),
            None => method.to_owned(),
        }
    }

    pub(super) fn span_attributes(&self, exchanged: &Exchanged<'_>, paths: bool) -> Vec<(&'static str, Attribute)> {
        let mut all = Vec::with_capacity(20);
        all.push(("http.request.method", known(exchanged.method).unwrap_or("_OTHER").into()));
        all.push(("url.scheme", if exchanged.tls.is_some() { "https" } else { "http" }.into()));
        all.push(("network.protocol.version", name(exchanged.version).into()));
        if let Some(route) = &self.route {
            all.push(("http.route", route.pattern().to_string().into()));
            all.push(("doorward.route", route.name.to_string().into()));
        }
        if exchanged.status > 0 {
            all.push(("http.response.status_code", exchanged.status.into()));
        }
        all.extend(host(exchanged));
        if paths {
            all.push(("url.path", short(masked_path(exchanged.uri.path()).into_owned()).into()));
        }
        if let Some(client) = self.client {
            all.push(("client.address", client.to_string().into()));
        }
        if let Some(tls) = exchanged.tls {
            all.push(("tls.protocol.version", tls.into()));
        }
        all.push(("doorward.decision", self.decision.as_str().into()));
        all.extend(self.reason.map(|reason| ("doorward.reason", reason.into())));
        all.push(("doorward.request_id", self.id.as_str().to_owned().into()));
        if let Some(identity) = &self.identity {
            all.push(("doorward.credential", identity.credential.as_str().into()));
            all.push(("doorward.tenant", identity.tenant.as_str().to_owned().into()));
        }
        all
    }

    /// What failed here or at the application; a request that was refused did not.
    pub(super) fn failure(&self, exchanged: &Exchanged<'_>) -> Option<Cow<'static, str>> {
        let own = matches!(self.decision, Decision::Failed | Decision::Unavailable);
        match (own, self.reason) {
            (true, Some(reason)) => Some(reason.into()),
            _ => (exchanged.status >= FAILURES).then(|| exchanged.status.to_string().into()),
        }
    }
}

/// Where it was sent to, as the client named it.
fn host(exchanged: &Exchanged<'_>) -> Vec<(&'static str, Attribute)> {
    let named = exchanged.host.map(HeaderValue::as_bytes).and_then(|text| Authority::try_from(text).ok());
    let Some(authority) = named.or_else(|| exchanged.uri.authority().cloned()) else { return Vec::new() };
    let address = ("server.address", Attribute::from(short(authority.host().to_owned())));
    let port = authority.port_u16().map(|port| ("server.port", Attribute::from(port)));
    std::iter::once(address).chain(port).collect()
}

/// The methods of RFC 9110 and PATCH (RFC 5789); there may be any number of others.
pub(super) fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}
