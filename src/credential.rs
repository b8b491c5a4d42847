//! The one credential of a request.
//!
//! Refuses two: which of them counts is a question that two programs answer differently, so none does. Nothing here is ever logged.

use std::borrow::Cow;

use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use rustls::pki_types::CertificateDer;

use crate::config::access::Access;
use crate::config::{Config, Path, Problems};
use crate::crypto::token::KEY_PREFIX;
use crate::edge::{Clean, fields};
use crate::model::CredentialKind;
use crate::route::Route;
use crate::session::cookie;

pub use crate::session::cookie::SESSION as SESSION_COOKIE;

/// What a request presented, not yet checked. No Debug: it is a secret.
pub enum Credential<'a> {
    Session(Cow<'a, str>),
    ApiKey(&'a str),
    ClientSecret { id: Cow<'a, str>, secret: Cow<'a, str> },
    Bearer(&'a str),
    License(&'a str),
    ClientCertificate(&'a [CertificateDer<'static>]),
}

impl Credential<'_> {
    #[must_use]
    pub const fn kind(&self) -> CredentialKind {
        match self {
            Self::Session(_) => CredentialKind::Session,
            Self::ApiKey(_) => CredentialKind::ApiKey,
            Self::ClientSecret { .. } => CredentialKind::ClientSecret,
            Self::Bearer(_) => CredentialKind::Bearer,
            Self::License(_) => CredentialKind::License,
            Self::ClientCertificate(_) => CredentialKind::ClientCertificate,
        }
    }
}

/// Why the credentials of a request are none (HTTP 401).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("more than one credential was sent")]
    Several,
    #[error("the {0} is malformed")]
    Malformed(CredentialKind),
    #[error("a {0} is not taken here")]
    NotTaken(CredentialKind),
}

/// Where credentials are looked for.
#[derive(Debug)]
pub struct Sources {
    pub api_key: HeaderName,
    pub client_id: HeaderName,
    pub client_secret: HeaderName,
    pub license: HeaderName,
    /// Whether a verified client certificate is a credential.
    certificates: bool,
    /// Kinds that go on to the application as they came.
    pub forwarded: Box<[CredentialKind]>,
}

impl Sources {
    pub fn compile(config: &Config, problems: &mut Problems) -> Self {
        let typed = &config.credentials;
        let mut name = |key: &str, text: &str| {
            if let Ok(name) = text.parse::<HeaderName>() {
                name
            } else {
                let path = Path::from("credentials").key(key);
                problems.add(path, format!("`{text}` is not a header name"), "use letters, digits and `-`");
                header::EXPECT
            }
        };
        Self {
            api_key: name("api_key_header", &typed.api_key_header),
            client_id: name("client_id_header", &typed.client_id_header),
            client_secret: name("client_secret_header", &typed.client_secret_header),
            license: name("license_header", &typed.license_header),
            certificates: config.client_certificates.is_some(),
            forwarded: typed.forward.as_slice().into(),
        }
    }

    /// The credential that `clean` presents on `route`; a public route is not even looked at.
    ///
    /// A client certificate belongs to the connection, so it counts only where the request itself presents nothing.
    pub fn present<'a>(&self, clean: &Clean<'a>, route: &Route) -> Result<Option<Credential<'a>>, CredentialError> {
        if matches!(route.access, Access::Public | Access::Deny) {
            return Ok(None);
        }
        let Some(found) = self.sole(clean)? else { return Ok(None) };
        if self.takes(found.kind(), route)? {
            return Ok(Some(found));
        }
        // A cookie that is not looked at does not hide a certificate that is.
        Ok(self.certificate(clean).filter(|certificate| route.accepts(certificate.kind())))
    }

    fn sole<'a>(&self, clean: &Clean<'a>) -> Result<Option<Credential<'a>>, CredentialError> {
        let mut found: Option<Credential<'a>> = None;
        for candidate in [self.api_key(clean)?, self.client(clean)?, authorization(clean)?, self.license(clean)?, session(clean)?]
        {
            match (found.is_some(), candidate) {
                (_, None) => {}
                (true, Some(_)) => return Err(CredentialError::Several),
                (false, candidate) => found = candidate,
            }
        }
        Ok(found.or_else(|| self.certificate(clean)))
    }

    /// Whether a credential of this kind is looked at on `route`. A browser sends its cookie everywhere and a connection shows its
    /// certificate everywhere, so where they are not taken they are as good as absent; anything else was sent on purpose and is
    /// refused.
    pub fn takes(&self, kind: CredentialKind, route: &Route) -> Result<bool, CredentialError> {
        match kind {
            _ if matches!(route.access, Access::Public | Access::Deny) => Ok(false),
            kind if route.accepts(kind) => Ok(true),
            CredentialKind::Session | CredentialKind::ClientCertificate => Ok(false),
            kind => Err(CredentialError::NotTaken(kind)),
        }
    }

    fn api_key<'a>(&self, clean: &Clean<'a>) -> Result<Option<Credential<'a>>, CredentialError> {
        Ok(single(clean, &self.api_key, CredentialKind::ApiKey)?.map(Credential::ApiKey))
    }

    fn license<'a>(&self, clean: &Clean<'a>) -> Result<Option<Credential<'a>>, CredentialError> {
        Ok(single(clean, &self.license, CredentialKind::License)?.map(Credential::License))
    }

    fn client<'a>(&self, clean: &Clean<'a>) -> Result<Option<Credential<'a>>, CredentialError> {
        let kind = CredentialKind::ClientSecret;
        match (single(clean, &self.client_id, kind)?, single(clean, &self.client_secret, kind)?) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => Ok(Some(Credential::ClientSecret { id: id.into(), secret: secret.into() })),
            _ => Err(CredentialError::Malformed(kind)),
        }
    }

    fn certificate<'a>(&self, clean: &Clean<'a>) -> Option<Credential<'a>> {
        let chain = &clean.facts.client_chain;
        (self.certificates && !chain.is_empty()).then_some(Credential::ClientCertificate(chain))
    }
}

/// `Bearer` (RFC 6750 §2.1) and `Basic` (RFC 7617); another scheme is the application's business.
fn authorization<'a>(clean: &Clean<'a>) -> Result<Option<Credential<'a>>, CredentialError> {
    let Some(value) = single(clean, &header::AUTHORIZATION, CredentialKind::Bearer)? else { return Ok(None) };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let token = token.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        return bearer(token).map(Some).ok_or(CredentialError::Malformed(CredentialKind::Bearer));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return basic(token).map(Some).ok_or(CredentialError::Malformed(CredentialKind::ClientSecret));
    }
    Ok(None)
}

/// RFC 6750 §2.1's `b64token`, or an API key, which is one too.
fn bearer(token: &str) -> Option<Credential<'_>> {
    if token.is_empty() || !is_plain(token) {
        return None;
    }
    Some(if token.starts_with(KEY_PREFIX) { Credential::ApiKey(token) } else { Credential::Bearer(token) })
}

/// Looks at every byte, whatever it found before: many are looked at in one step then, and tokens are long.
#[expect(clippy::needless_bitwise_bool, reason = "a branch for each byte costs more than all comparisons")]
fn is_plain(token: &str) -> bool {
    let plain = |byte: u8| {
        ((byte | 0x20).wrapping_sub(b'a') < 26)
            | (byte.wrapping_sub(b'0') < 10)
            | (byte.wrapping_sub(b'-') < 3)
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
            | (byte == b'=')
    };
    token.bytes().fold(true, |all, byte| all & plain(byte))
}

fn basic(token: &str) -> Option<Credential<'static>> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(token).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Credential::ClientSecret { id: Cow::Owned(id.to_owned()), secret: Cow::Owned(secret.to_owned()) })
}

/// The header's value if it was sent exactly once (threats H5).
fn single<'a>(clean: &Clean<'a>, name: &HeaderName, kind: CredentialKind) -> Result<Option<&'a str>, CredentialError> {
    let mut values = fields::values(&clean.head.headers, name);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CredentialError::Several);
    }
    text(value).map(Some).ok_or(CredentialError::Malformed(kind))
}

/// A field's value has no control characters, so that being ASCII is all that is left of [`HeaderValue::to_str`], and faster to see.
fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii() && !text.is_empty())
}

/// The session cookie; two of the name are none of ours (threats C2). Names are compared byte for byte, nothing is decoded, and
/// what other cookies hold is not looked at, so that none of them can be read as ours or keep it from being read.
fn session<'a>(clean: &Clean<'a>) -> Result<Option<Credential<'a>>, CredentialError> {
    let mut values = session_cookies(&clean.head.headers);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CredentialError::Several);
    }
    // What is not even text was never a session of ours, like any other value that is not known.
    let first = std::str::from_utf8(value).unwrap_or_default();
    Ok(Some(Credential::Session(cookie::whole(first, &clean.head.headers).unwrap_or_default())))
}

/// Whether the request carries our session cookie at all, live or ended.
#[must_use]
pub fn carries_session(headers: &HeaderMap) -> bool {
    session_cookies(headers).next().is_some()
}

fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let pairs = fields::values(headers, &header::COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(SESSION_COOKIE.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use pingora::http::RequestHeader;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Limits;
    use crate::edge::{Arrival, ConnectionFacts, Hygiene, LiveStreams};

    /// What `authorization`, the session cookie and so on make of these headers, as text.
    fn presented(headers: &[(&'static str, &[u8])]) -> String {
        let mut head = RequestHeader::build("GET", b"/", None).unwrap();
        head.insert_header("host", "app.example").unwrap();
        for (name, value) in headers {
            head.append_header(*name, HeaderValue::from_bytes(value).unwrap()).unwrap();
        }
        let facts = ConnectionFacts::plain([127, 0, 0, 1].into(), LiveStreams::default().handle());
        let arrival = Arrival { head: &head, facts: &facts, now: Timestamp::from_seconds(0) };
        let clean = match Hygiene::new(Limits::default(), &[]).inspect(arrival) {
            Ok(clean) => clean,
            Err(unclean) => return unclean.reason.to_owned(),
        };
        let sources = Sources {
            api_key: HeaderName::from_static("x-api-key"),
            client_id: HeaderName::from_static("x-client-id"),
            client_secret: HeaderName::from_static("x-client-secret"),
            license: HeaderName::from_static("x-license-key"),
            certificates: false,
            forwarded: Box::new([]),
        };
        match sources.sole(&clean) {
            Ok(None) => "none".to_owned(),
            Ok(Some(Credential::ClientSecret { id, secret })) => format!("client {id} {secret}"),
            Ok(Some(Credential::Session(value))) => format!("session {value}"),
            Ok(Some(Credential::ApiKey(value))) => format!("key {value}"),
            Ok(Some(Credential::Bearer(value))) => format!("bearer {value}"),
            Ok(Some(Credential::License(value))) => format!("license {value}"),
            Ok(Some(Credential::ClientCertificate(_))) => "certificate".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_the_exact_cookie_name_is_ours() {
        let cookie = |line: &[u8]| presented(&[("cookie", line)]);
        assert_eq!(cookie(b"a=1; __Host-doorward=abc; b=2"), "session abc");
        assert_eq!(cookie(b"$Version=1; __Host-doorward=abc; $Path=/"), "session abc");
        assert_eq!(cookie(b"\xff\xfe=other; __Host-doorward=abc"), "session abc");
        assert_eq!(cookie(b"__Host-doorward="), "session ");
        assert_eq!(cookie(b"__Host-doorward=a=b"), "session a=b");
        for other in [
            &b"__host-doorward=abc"[..],
            b"__Host-doorward2=abc",
            b"x__Host-doorward=abc",
            b"__Host%2Ddoorward=abc",
            b"\xe2\x80\x80__Host-doorward=abc",
            b"__Host-doorward =abc",
            b"=__Host-doorward=abc",
            b"__Host-doorward",
            b"a=\"; __Host_doorward=abc\"",
            b"$__Host-doorward=abc",
            b";;;=;=",
        ] {
            assert_eq!(cookie(other), "none", "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn two_cookies_of_our_name_are_none() {
        let several = "more than one credential was sent";
        assert_eq!(presented(&[("cookie", b"__Host-doorward=a; __Host-doorward=b")]), several);
        assert_eq!(presented(&[("cookie", b"__Host-doorward=a; __Host-doorward=a")]), several);
        let lines: [(&str, &[u8]); 2] = [("cookie", b"__Host-doorward=a"), ("cookie", b"__Host-doorward=b")];
        assert_eq!(presented(&lines), "repeated_header");
    }

    #[test]
    fn two_different_credentials_are_refused_and_so_is_one_sent_twice() {
        let several = "more than one credential was sent";
        let all: [&[(&'static str, &[u8])]; 6] = [
            &[("cookie", b"__Host-doorward=a")],
            &[("x-api-key", b"dw_a")],
            &[("x-client-id", b"a"), ("x-client-secret", b"b")],
            &[("authorization", b"Bearer a.b.c")],
            &[("authorization", b"Basic YTpi")],
            &[("x-license-key", b"a.b.c")],
        ];
        for (at, one) in all.iter().enumerate() {
            assert_ne!(presented(one), several);
            for other in &all[at + 1..] {
                let twice = one[0].0 == other[0].0;
                let expected = if twice { "repeated_header" } else { several };
                assert_eq!(presented(&[*one, *other].concat()), expected, "{one:?} {other:?}");
            }
            let twice = presented(&[*one, *one].concat());
            assert!(twice == several || twice == "repeated_header", "{one:?} twice: {twice}");
        }
    }

    #[test]
    fn authorization_is_read_as_its_standards_say() {
        let authorization = |value: &[u8]| presented(&[("authorization", value)]);
        assert_eq!(authorization(b"bEaReR   a.b.c"), "bearer a.b.c");
        assert_eq!(authorization(b"Bearer dw_x_y"), "key dw_x_y");
        assert_eq!(authorization(b"Basic YTpiOmM="), "client a b:c");
        assert_eq!(authorization(b"Negotiate abc"), "none");
        for malformed in [&b"Bearer"[..], b"Bearer ", b"Bearer a b", b"Bearer a,b", b"Bearer \"a\""] {
            assert_eq!(authorization(malformed), "the bearer is malformed", "{}", String::from_utf8_lossy(malformed));
        }
        for byte in 0x20..=0x7e_u8 {
            let taken = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            let expected = if taken { format!("bearer a.{}.c", char::from(byte)) } else { "the bearer is malformed".to_owned() };
            assert_eq!(authorization(&[b"Bearer a.", &[byte][..], b".c"].concat()), expected);
        }
        assert_eq!(authorization("Bearer ä".as_bytes()), "the bearer is malformed");
        for malformed in [&b"Basic"[..], b"Basic YWI", b"Basic YWI=", b"Basic /w==", b"Basic a:b"] {
            assert_eq!(authorization(malformed), "the client_secret is malformed", "{}", String::from_utf8_lossy(malformed));
        }
        assert_eq!(presented(&[("x-client-id", b"a")]), "the client_secret is malformed");
        assert_eq!(presented(&[("x-client-secret", b"a")]), "the client_secret is malformed");
    }
}
