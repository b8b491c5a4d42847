//! Writes the cookie of a sealed session anew while it is used, so that it does not idle out.
//!
//! Refuses to put a cookie on an answer that others may be given from a cache (RFC 9111 §3.5), because it would be their session then.

use http::{HeaderValue, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use super::gateway::Gateway;
use crate::clock::Timestamp;
use crate::edge::fields;
use crate::model::Identity;
use crate::session::cookie;

/// Adds the cookies to `head` if the session in the request's is due.
pub(super) fn renew(
    session: &Session,
    gateway: &Gateway,
    identity: Option<&Identity>,
    now: Timestamp,
    head: &mut ResponseHeader,
) -> pingora::Result<()> {
    let due = identity.and_then(|identity| identity.renew_at).is_some_and(|at| at <= now);
    if !due || is_shared(head) || head.headers.contains_key(cookie::FIELD) && sets_session(head) {
        return Ok(());
    }
    let renewed = gateway.seals.renew(&session.req_header().headers, now);
    let cookies = renewed.map_err(|error| Error::because(ErrorType::InternalError, "renewing a session", error))?;
    for line in cookies {
        head.append_header(cookie::FIELD, line)?;
    }
    head.append_header(header::CACHE_CONTROL, HeaderValue::from_static("no-cache=\"Set-Cookie\"")).map(|_| ())
}

/// Whether the application lets caches that many share keep this answer.
fn is_shared(head: &ResponseHeader) -> bool {
    fields::values(&head.headers, &header::CACHE_CONTROL).any(|value| {
        let text = value.as_bytes().to_ascii_lowercase();
        text.windows(6).any(|word| word == b"public") || text.windows(8).any(|word| word == b"s-maxage")
    })
}

/// A door that signs people in or out says itself what becomes of the session.
fn sets_session(head: &ResponseHeader) -> bool {
    let own = cookie::SESSION.as_bytes();
    fields::values(&head.headers, &cookie::FIELD)
        .any(|line| line.as_bytes().strip_prefix(own).is_some_and(|rest| matches!(rest.first(), Some(b'=' | b'-'))))
}
