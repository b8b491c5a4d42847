//! Who a request comes from, once its credential was checked.
//!
//! Refuses to be half known: every field is what a check established, and absent facts are absent, because the headers made
//! from it are trusted by the application.

use std::fmt;
use std::sync::OnceLock;

use arc_swap::ArcSwapOption;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{ConnectionId, Scope, SessionHandle, TenantId, UserId};
use crate::clock::Timestamp;
use crate::crypto::Digest;

/// What kind of credential a request presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    Session,
    ApiKey,
    ClientSecret,
    Bearer,
    License,
    ClientCertificate,
}

impl CredentialKind {
    pub const ALL: [Self; 6] =
        [Self::Session, Self::ApiKey, Self::ClientSecret, Self::Bearer, Self::License, Self::ClientCertificate];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::ApiKey => "api_key",
            Self::ClientSecret => "client_secret",
            Self::Bearer => "bearer",
            Self::License => "license",
            Self::ClientCertificate => "client_certificate",
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A checked identity. Immutable; shared by all requests that present the same credential.
#[derive(Debug)]
pub struct Identity {
    pub credential: CredentialKind,
    /// Stable within its issuer: a [`UserId`], a key's or client's id, a token's `sub`, a certificate's name.
    pub subject: String,
    /// Whose name for somebody `subject` is, where it is not Doorward's own: the same `sub` of two issuers is two people (threats J12).
    pub issuer: Option<String>,
    pub tenant: TenantId,
    /// Set where the identity is a person of the directory.
    pub user: Option<UserId>,
    /// Whether a person shows themselves by it: a session, or a token that is no program's. A key of a person's is a program.
    pub is_person: bool,
    pub user_name: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub groups: Vec<String>,
    /// Ranked roles highest first, then those beside the ranking.
    pub roles: Vec<String>,
    pub scopes: Vec<Scope>,
    pub session: Option<SessionHandle>,
    pub connection: Option<ConnectionId>,
    /// When the person last proved who they are; `None` for programs.
    pub authenticated_at: Option<Timestamp>,
    /// Methods used to sign in (RFC 8176).
    pub amr: Vec<String>,
    /// Whether a second factor was used.
    pub mfa: bool,
    /// Taken until then, exclusively.
    pub expires_at: Option<Timestamp>,
    /// By which the store knows the session, and its end is announced.
    pub session_digest: Option<Digest>,
    /// When the cookie of a sealed session is to be written anew.
    pub renew_at: Option<Timestamp>,
    /// What `forward` made of this identity; empty until the first forwarded request.
    pub forward: ForwardMemo,
}

/// What is made once per identity rather than once per request.
#[derive(Default)]
pub struct ForwardMemo {
    pub headers: OnceLock<Box<[(HeaderName, HeaderValue)]>>,
    pub assertion: ArcSwapOption<MintedAssertion>,
    /// Of the person's provider, where the application is given it.
    pub access_token: Option<ProviderToken>,
    /// The provider's ID token as the value of `Authorization`, where the application is given it.
    pub id_token: Option<ProviderToken>,
    /// The provider's name for the person (`sub`, `NameID`).
    pub provider_subject: Option<String>,
}

/// A provider's token as the application is given it. No Debug, so that no record can hold it.
pub struct ProviderToken {
    pub value: HeaderValue,
    /// `None` where the provider did not say.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for ForwardMemo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForwardMemo")
    }
}

/// A signed assertion and until when it is handed out.
pub struct MintedAssertion {
    pub value: HeaderValue,
    pub renew_at: Timestamp,
}

impl Identity {
    /// Whether it is no longer taken at `now`.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
impl Identity {
    /// Somebody, for tests.
    pub(crate) fn sample(credential: CredentialKind) -> Self {
        Self {
            credential,
            subject: "ada-1".to_owned(),
            issuer: None,
            tenant: TenantId::default(),
            user: None,
            is_person: matches!(credential, CredentialKind::Session | CredentialKind::Bearer),
            user_name: Some("ada".to_owned()),
            email: Some("ada@acme.example".to_owned()),
            name: Some("Ada Lovelace".to_owned()),
            groups: vec!["Engineering".to_owned()],
            roles: vec!["admin".to_owned(), "editor".to_owned()],
            scopes: Vec::new(),
            session: Some(SessionHandle("s-1".to_owned())),
            connection: None,
            authenticated_at: None,
            amr: Vec::new(),
            mfa: false,
            expires_at: None,
            session_digest: None,
            renew_at: None,
            forward: ForwardMemo::default(),
        }
    }
}
