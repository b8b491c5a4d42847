//! The one credential of a request.
//!
//! Refuses two: which of them counts is a question that two programs answer differently, so none does. Nothing here is ever logged.

use std::borrow::Cow;

use base64::Engine as _;
use http::{HeaderName, HeaderValue, header};
use rustls::pki_types::CertificateDer;

use crate::config::access::Access;
use crate::config::{Config, Path, Problems};
use crate::crypto::token::KEY_PREFIX;
use crate::edge::Clean;
use crate::model::CredentialKind;
use crate::route::Route;

pub use crate::session::cookie::SESSION as SESSION_COOKIE;

/// What a request presented, not yet checked. No Debug: it is a secret.
pub enum Credential<'a> {
    Session(&'a str),
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
        let mut found: Option<Credential<'a>> = None;
        for candidate in [self.api_key(clean)?, self.client(clean)?, authorization(clean)?, self.license(clean)?, session(clean)?]
        {
            match (found.is_some(), candidate) {
                (_, None) => {}
                (true, Some(_)) => return Err(CredentialError::Several),
                (false, candidate) => found = candidate,
            }
        }
        let found = found.or_else(|| self.certificate(clean));
        match found {
            Some(credential) => Ok(self.takes(credential.kind(), route)?.then_some(credential)),
            None => Ok(None),
        }
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
    let Some((scheme, token)) = value.split_once(' ') else { return Ok(None) };
    let token = token.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        let key = token.starts_with(KEY_PREFIX);
        return Ok(Some(if key { Credential::ApiKey(token) } else { Credential::Bearer(token) }));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return basic(token).map(Some).ok_or(CredentialError::Malformed(CredentialKind::ClientSecret));
    }
    Ok(None)
}

fn basic(token: &str) -> Option<Credential<'static>> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(token).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Credential::ClientSecret { id: Cow::Owned(id.to_owned()), secret: Cow::Owned(secret.to_owned()) })
}

/// The header's value if it was sent exactly once (threats H5).
fn single<'a>(clean: &Clean<'a>, name: &HeaderName, kind: CredentialKind) -> Result<Option<&'a str>, CredentialError> {
    let mut values = clean.head.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CredentialError::Several);
    }
    text(value).map(Some).ok_or(CredentialError::Malformed(kind))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().filter(|text| !text.is_empty())
}

/// The session cookie; two of the name are none of ours (threats C2).
fn session<'a>(clean: &Clean<'a>) -> Result<Option<Credential<'a>>, CredentialError> {
    let mut found = None;
    for line in clean.head.headers.get_all(header::COOKIE) {
        let line = std::str::from_utf8(line.as_bytes()).map_err(|_| CredentialError::Malformed(CredentialKind::Session))?;
        for pair in line.split(';') {
            if let Some((SESSION_COOKIE, value)) = pair.trim_matches(' ').split_once('=') {
                if found.is_some() {
                    return Err(CredentialError::Several);
                }
                found = Some(Credential::Session(value));
            }
        }
    }
    Ok(found)
}
