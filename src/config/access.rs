//! Who may go where: credentials, roles, routes, and what the application is told.
//!
//! Refuses nothing by itself; `credential`, `authn`, `policy`, `route` and `forward` compile it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::connection::{ClientAuth, ClientKey};
use super::upstream::Upstream;
use super::value::Span;
use crate::crypto::Secret;
use crate::model::{CredentialKind, Scope, TenantId};

/// Roles and how people get them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    /// Highest first.
    pub ranked: Vec<String>,
    /// Roles beside the ranking.
    pub others: Vec<String>,
    /// Given to a person who has no other.
    pub default: Option<String>,
    /// Group name → role, compared exactly.
    pub groups: BTreeMap<String, String>,
    /// Role → scopes.
    pub scopes: BTreeMap<String, Vec<Scope>>,
    /// Who has one of these needs a second factor wherever they go.
    pub mfa: Vec<String>,
}

/// Who may use the admin API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminApi {
    /// Any one of them is enough; break-glass accounts need none. Without any the API is closed, to them too.
    pub roles: Vec<String>,
}

/// An issuer whose JWTs are taken.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bearer {
    /// Exactly what the token's `iss` says.
    pub issuer: String,
    /// One of these must be in the token's `aud`; at least one.
    #[schemars(length(min = 1))]
    pub audiences: Vec<String>,
    /// Where the keys are; default: discovery from the issuer.
    #[serde(default)]
    pub jwks: Option<JwksSource>,
    #[serde(default = "default_skew")]
    pub clock_skew: Span,
    #[serde(default)]
    pub claims: BearerClaims,
    /// Only take RFC 9068 access tokens (`typ: at+jwt`).
    #[serde(default)]
    pub require_access_token_type: bool,
    #[serde(default)]
    pub tenant: TenantId,
    /// Take e-mail addresses although the issuer does not say that they are verified. Only for an issuer that owns its addresses.
    #[serde(default)]
    pub trust_unverified_email: bool,
    /// How the issuer says that a person's sign-in had a second factor.
    #[serde(default)]
    pub mfa: Option<BearerMfa>,
    /// How the issuer is asked about tokens that say nothing by themselves (RFC 7662); default: only JWTs are taken.
    #[serde(default)]
    pub introspection: Option<Introspection>,
    /// Only programs have its tokens: no second factor is asked of them but where a route does. Without this, a token is a program's if it says so
    /// (`sub` is the client's id, `gty: client-credentials`, `idtyp: app`), and a person's otherwise.
    #[serde(default)]
    pub programs_only: bool,
    /// PEM file with the authorities to trust for the issuer instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<super::value::FilePath>")]
    pub ca: Option<std::path::PathBuf>,
}

fn default_skew() -> Span {
    Span::seconds(60)
}

/// How an issuer is asked about tokens. Its answer needs `active: true`, `aud` and `exp`, as a JWT does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// Default: the `introspection_endpoint` of the issuer's metadata.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// As whom this application asks.
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// The private key of `client_auth: private_key_jwt`. Its assertions are addressed to the issuer, if `audience` does not say otherwise, and
    /// its public part is nowhere to be fetched.
    #[serde(default)]
    pub client_key: Option<ClientKey>,
    #[serde(default)]
    pub tokens: IntrospectedTokens,
    /// An answer is remembered so long, and never beyond the token's end; a token that is revoked may be taken until then.
    #[serde(default = "default_remember")]
    pub remember: Span,
}

fn default_remember() -> Span {
    Span::seconds(60)
}

/// Which tokens an issuer is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntrospectedTokens {
    /// Those that are no JWT. Only one issuer may have them, because nothing in them says whose they are.
    #[default]
    Opaque,
    /// The JWTs that name it, in the place of checking them with its keys.
    Jwts,
    All,
}

impl IntrospectedTokens {
    #[must_use]
    pub const fn has_opaque(self) -> bool {
        matches!(self, Self::Opaque | Self::All)
    }

    #[must_use]
    pub const fn has_jwts(self) -> bool {
        matches!(self, Self::Jwts | Self::All)
    }
}

/// How tokens say that there was a second factor.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BearerMfa {
    /// Any of these among the authentication methods (`amr`) proves one; default: `mfa`.
    pub amr: Option<Vec<String>>,
    /// Any of these as authentication context (`acr`) proves one; default: the well-known names for several factors.
    pub acr: Option<Vec<String>>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JwksSource {
    /// Fetched, and fetched again when a token names an unknown key.
    Url(String),
    /// Read from a file, and again when it changes.
    Path(#[schemars(with = "super::value::FilePath")] std::path::PathBuf),
}

/// Which claim says what.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BearerClaims {
    pub email: String,
    pub name: String,
    pub user_name: String,
    pub groups: String,
    pub roles: String,
    /// A space-separated text or a list.
    pub scopes: String,
}

impl Default for BearerClaims {
    fn default() -> Self {
        let name = str::to_owned;
        Self {
            email: name("email"),
            name: name("name"),
            user_name: name("preferred_username"),
            groups: name("groups"),
            roles: name("roles"),
            scopes: name("scope"),
        }
    }
}

/// License keys: EdDSA-signed JWTs checked against these public keys, offline.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct License {
    /// PEM public keys (Ed25519); several while rotating.
    #[schemars(length(min = 1))]
    pub public_keys: Vec<String>,
    /// Exactly what the key's `aud` must hold.
    pub audience: String,
    /// Tier → roles.
    #[serde(default)]
    pub roles: BTreeMap<String, Vec<String>>,
}

/// How a verified client certificate becomes an identity.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificates {
    pub subject: CertificateField,
    /// Whose programs have them.
    #[serde(default)]
    pub tenant: TenantId,
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

/// The field of the certificate that names its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateField {
    CommonName,
    SanEmail,
    SanDns,
    SanUri,
}

/// How credentials are sent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Credentials {
    pub api_key_header: String,
    pub client_id_header: String,
    pub client_secret_header: String,
    pub license_header: String,
    /// Send the credential on to the application as it came. Doorward's own cookie is never sent on.
    pub forward: Vec<CredentialKind>,
}

impl Default for Credentials {
    fn default() -> Self {
        let name = str::to_owned;
        Self {
            api_key_header: name("X-Api-Key"),
            client_id_header: name("X-Client-Id"),
            client_secret_header: name("X-Client-Secret"),
            license_header: name("X-License-Key"),
            forward: Vec::new(),
        }
    }
}

/// One rule of who may go where.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Name in metrics and records; default: its host and path.
    pub name: Option<String>,
    /// Host, without port; default: any.
    pub host: Option<String>,
    /// `/exact`, `/prefix/**`, or with `*` for one whole segment. Default: any.
    pub path: Option<String>,
    /// Default: any.
    pub methods: Vec<String>,
    pub access: Access,
    /// Credentials taken here; default: every kind that is configured.
    pub accept: Vec<CredentialKind>,
    /// Any one of them is enough.
    pub roles: Vec<String>,
    /// Any one of them is enough.
    pub groups: Vec<String>,
    /// All of them are needed.
    pub scopes: Vec<Scope>,
    pub tenant: Option<TenantId>,
    /// Needs a second factor.
    pub mfa: bool,
    /// The sign-in may not be older than this.
    pub max_age: Option<Span>,
    /// Source networks, in CIDR notation; default: any.
    #[schemars(with = "Vec<super::value::Network>")]
    pub networks: Vec<ipnet::IpNet>,
    pub mode: Mode,
    /// Which answered requests are recorded in the audit trail, besides those that were refused.
    pub access_events: AccessEvents,
    /// Another application than the file's `upstream`.
    pub upstream: Option<Upstream>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Anybody; who they are is not even looked at.
    Public,
    /// Anybody; the application is told who it is if a credential was sent.
    Optional,
    /// Somebody.
    #[default]
    Required,
    /// Nobody.
    Deny,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Enforce,
    /// Judge and record, but let through; for rolling out before an application that is already open.
    Report,
}

/// Which answered requests of a route are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(title = "`none`, `all` or `{ sample: 0.1 }`")]
#[serde(rename_all = "snake_case")]
pub enum AccessEvents {
    #[default]
    None,
    All,
    /// About this part of them, chosen by chance: 0.1 is every tenth.
    Sample(#[schemars(range(min = 0, max = 1))] f64),
}

/// What the application is told about who is calling.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityHeaders {
    pub presets: Vec<Preset>,
    /// A signed JWT in `X-Doorward-Assertion` (and in pomerium's header with that preset), verifiable with `{prefix}/jwks.json`.
    pub assertion: Option<Assertion>,
    /// The access token of the person's provider, as `X-Forwarded-Access-Token`, for an application that calls the provider's
    /// interfaces. Only sessions in the store have one; one that has ended is left out.
    pub access_token: bool,
    /// The ID token of the person's provider, as `Authorization: Bearer`, for an application that checks it by itself. Only sessions in
    /// the store have one; one that has ended is left out. It replaces what the client sent there.
    pub id_token: bool,
    /// Own headers: name → template such as `{email}`; `{user}`, `{email}`, `{name}`, `{groups}`, `{roles}`, `{role}`, `{tenant}`, `{scopes}`, `{credential}`, `{session}`, `{provider_subject}`.
    pub custom: BTreeMap<String, String>,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            presets: vec![Preset::Oauth2Proxy],
            assertion: None,
            access_token: false,
            id_token: false,
            custom: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum Preset {
    #[serde(rename = "doorward")]
    Doorward,
    #[serde(rename = "oauth2-proxy")]
    Oauth2Proxy,
    #[serde(rename = "authelia")]
    Authelia,
    #[serde(rename = "authentik")]
    Authentik,
    #[serde(rename = "pomerium")]
    Pomerium,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The application's name, in the assertion's `aud`. Default: `public_url`.
    #[schemars(with = "Option<String>")]
    pub audience: String,
    #[serde(default)]
    pub algorithm: AssertionAlgorithm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum AssertionAlgorithm {
    #[default]
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
}
