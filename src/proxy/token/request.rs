//! What a client asks of the token endpoint (RFC 6749 §4.4.2), read strictly.
//!
//! Refuses a parameter that is sent twice and a client that proves itself in two ways (RFC 6749 §2.3, §3.2), because two readers would
//! each take another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

use super::refusal::Refusal;
use crate::crypto::Secret;
use crate::model::Scope;

/// Parameters that are looked at; others are ignored (RFC 6749 §3.2).
const KNOWN: [&str; 7] = ["grant_type", "scope", "resource", "audience", "client_id", "client_secret", "client_assertion"];
/// Scopes of one request.
const MOST_SCOPES: usize = 50;

/// A client's request. No Debug: it holds the secret.
pub(super) struct TokenRequest {
    pub(super) client: String,
    pub(super) secret: Secret,
    /// `None`: all that the client has.
    pub(super) scopes: Option<Vec<Scope>>,
    /// Which services the token is for, by `resource` (RFC 8707) or `audience`; empty: the one behind the door.
    pub(super) resources: Vec<String>,
}

impl TokenRequest {
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::Request("send a form: application/x-www-form-urlencoded"));
        }
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body)
            .into_owned()
            .filter(|(name, value)| KNOWN.contains(&name.as_str()) && !value.is_empty())
            .collect();
        let one = |name: &str| -> Result<Option<&str>, Refusal> {
            let mut values = fields.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
            let value = values.next();
            if values.next().is_some() { Err(Refusal::Request("a parameter was sent twice")) } else { Ok(value) }
        };
        let (client, secret) = client(headers, &one)?;
        match one("grant_type")? {
            Some("client_credentials") => {}
            Some(_) => return Err(Refusal::GrantType),
            None => return Err(Refusal::Request("grant_type is missing")),
        }
        let resources = fields.iter().filter(|(name, _)| name == "resource" || name == "audience");
        Ok(Self {
            client,
            secret,
            scopes: one("scope")?.map(scopes).transpose()?,
            resources: resources.map(|(_, value)| value.clone()).collect(),
        })
    }
}

fn scopes(text: &str) -> Result<Vec<Scope>, Refusal> {
    let scopes: Vec<Scope> = text.split(' ').map(|scope| scope.parse().map_err(|_| Refusal::Scope)).collect::<Result<_, _>>()?;
    if scopes.len() > MOST_SCOPES { Err(Refusal::Scope) } else { Ok(scopes) }
}

/// `client_secret_basic` or `client_secret_post`, one of them.
fn client<'f>(headers: &HeaderMap, one: &impl Fn(&str) -> Result<Option<&'f str>, Refusal>) -> Result<(String, Secret), Refusal> {
    let (id, secret) = (one("client_id")?, one("client_secret")?);
    if one("client_assertion")?.is_some() {
        return Err(Refusal::Request("a client proves itself by its secret here"));
    }
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let Some(authorization) = sent.next() else {
        let (Some(id), Some(secret)) = (id, secret) else { return Err(Refusal::Client) };
        return Ok((id.to_owned(), Secret::new(secret.to_owned())));
    };
    if secret.is_some() || sent.next().is_some() {
        return Err(Refusal::Request("a client proves itself in one way"));
    }
    let (client, secret) = authorization.to_str().ok().and_then(basic).ok_or(Refusal::Client)?;
    if id.is_some_and(|id| id != client) {
        return Err(Refusal::Request("the form names another client"));
    }
    Ok((client, Secret::new(secret)))
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(token.trim()).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let plain = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    Some((plain(id)?, plain(secret)?))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(authorization: Option<&'static str>, body: &str) -> Result<String, &'static str> {
        let mut headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8"),
        )]);
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        let read = TokenRequest::read(&headers, body.as_bytes());
        read.map(|request| format!("{} {}", request.client, request.secret.expose())).map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_client_proves_itself_in_one_way_and_every_parameter_is_sent_once() {
        const GRANT: &str = "grant_type=client_credentials";
        assert_eq!(read(Some("Basic aWQ6cyU1RmVjcmV0"), GRANT), Ok("id s_ecret".to_owned()), "form-encoded within");
        assert_eq!(read(None, &format!("{GRANT}&client_id=id&client_secret=s_ecret")), Ok("id s_ecret".to_owned()));
        assert_eq!(read(Some("basic aWQ6cw=="), &format!("{GRANT}&client_id=id")), Ok("id s".to_owned()));
        for (authorization, body, code) in [
            (Some("Basic aWQ6cw=="), "grant_type=client_credentials&client_secret=s", "invalid_request"),
            (Some("Basic aWQ6cw=="), "grant_type=client_credentials&client_id=other", "invalid_request"),
            (Some("Basic aWQ6cw=="), "grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
            (Some("Basic aWQ6cw=="), "scope=a", "invalid_request"),
            (Some("Basic aWQ6cw=="), "grant_type=password", "unsupported_grant_type"),
            (Some("Basic aWQ6cw=="), "grant_type=client_credentials&scope=a%22b", "invalid_scope"),
            (Some("Basic !"), "grant_type=client_credentials", "invalid_client"),
            (Some("Bearer abc"), "grant_type=client_credentials", "invalid_client"),
            (None, "grant_type=client_credentials", "invalid_client"),
            (None, "grant_type=client_credentials&client_id=id", "invalid_client"),
            (None, "grant_type=client_credentials&client_id=id&client_assertion=x", "invalid_request"),
        ] {
            assert_eq!(read(authorization, body), Err(code), "{authorization:?} {body}");
        }
    }
}
