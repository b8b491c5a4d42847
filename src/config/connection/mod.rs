//! Connections: the ways for people to sign in, one file for each kind.
//!
//! Refuses nothing by itself; `login` compiles it.

mod magic_link;
mod mfa;
mod oauth2;
mod oidc;
mod password;
mod saml;
mod stored;

use schemars::JsonSchema;
use serde::Deserialize;

pub use magic_link::MagicLink;
pub use mfa::Mfa;
pub use oauth2::{ClaimPaths, OAuth2};
pub use oidc::{ClaimNames, ClientAuth, ClientKey, ClientKeyAlgorithm, Oidc};
pub use password::Password;
pub use saml::{AttributeNames, Binding, Metadata as SamlMetadata, NameIdFormat, Saml};
pub use stored::{Document, StoredError, Written, keep_secrets, opened, received, review_last, within_last, written};

use super::preset::Provider;
use crate::model::{ConnectionId, Domain, TenantId};

/// One way to sign in: exactly one of `oidc`, `oauth2`, `saml`, `magic_link` and `password`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Its name in addresses and records.
    pub id: ConnectionId,
    /// What the sign-in page calls it.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Whose people use it.
    #[serde(default)]
    pub tenant: TenantId,
    /// OpenID Connect provider.
    #[serde(default)]
    pub oidc: Option<Oidc>,
    /// OAuth 2.0 server without an ID token, such as GitHub.
    #[serde(default)]
    pub oauth2: Option<OAuth2>,
    /// SAML 2.0 identity provider.
    #[serde(default)]
    pub saml: Option<Saml>,
    /// A link and a code by mail.
    #[serde(default)]
    pub magic_link: Option<MagicLink>,
    /// Local accounts with a password, made by `doorward user create`.
    #[serde(default)]
    pub password: Option<Password>,
    /// E-mail domains whose people use it.
    #[serde(default)]
    pub domains: Vec<Domain>,
    #[serde(default)]
    pub provision: Provision,
    /// Second factors of people who come this way.
    #[serde(default)]
    pub mfa: Mfa,
    /// Not shown on the sign-in page; its own link and its domains lead to it all the same.
    #[serde(default)]
    pub hidden: bool,
}

/// What was typed under the key that says how people sign in. Each kind is a key of [`Connection`], a line here and one in
/// [`Connection::kinds`].
#[derive(Clone, Copy, Debug)]
pub enum Kind<'c> {
    Oidc(&'c Oidc),
    OAuth2(&'c OAuth2),
    Saml(&'c Saml),
    MagicLink(&'c MagicLink),
    Password(&'c Password),
}

impl Connection {
    /// What was typed, each with its key; exactly one is meant.
    #[must_use]
    pub fn kinds(&self) -> Vec<(&'static str, Kind<'_>)> {
        let typed = [
            self.oidc.as_ref().map(|oidc| ("oidc", Kind::Oidc(oidc))),
            self.oauth2.as_ref().map(|oauth2| ("oauth2", Kind::OAuth2(oauth2))),
            self.saml.as_ref().map(|saml| ("saml", Kind::Saml(saml))),
            self.magic_link.as_ref().map(|magic| ("magic_link", Kind::MagicLink(magic))),
            self.password.as_ref().map(|password| ("password", Kind::Password(password))),
        ];
        typed.into_iter().flatten().collect()
    }

    /// Whose preset completes it.
    #[must_use]
    pub fn provider(&self) -> Option<&Provider> {
        match self.kind()?.1 {
            Kind::Oidc(typed) => typed.provider.as_ref(),
            Kind::OAuth2(typed) => typed.provider.as_ref(),
            Kind::Saml(typed) => typed.provider.as_ref(),
            Kind::MagicLink(_) | Kind::Password(_) => None,
        }
    }

    /// Whether an identity provider signs people in.
    #[must_use]
    pub fn is_sso(&self) -> bool {
        match self.kind() {
            Some((_, Kind::Oidc(_) | Kind::OAuth2(_) | Kind::Saml(_))) => true,
            None | Some((_, Kind::MagicLink(_) | Kind::Password(_))) => false,
        }
    }

    /// The one kind, with its key; `None` where the review has told of a problem.
    #[must_use]
    pub fn kind(&self) -> Option<(&'static str, Kind<'_>)> {
        match self.kinds().as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provision {
    /// Created at the first sign-in.
    #[default]
    Jit,
    /// Must already exist: made by SCIM or an administrator.
    Scim,
    /// Must have been invited (`doorward user invite`), or already exist.
    Invited,
}
