//! The whole configuration file and its smaller sections.
//!
//! Refuses unknown keys everywhere. Every value may also be written `{ env: NAME }` or `{ file: path }`; by the time these
//! types are filled, such references have been replaced by what they name.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::access::{AdminApi, Bearer, ClientCertificates, Credentials, IdentityHeaders, License, Roles, Route};
use super::compatibility::Compatibility;
use super::connection::Connection;
use super::forward_auth::ForwardAuth;
use super::listener::Listener;
use super::mail::Mail;
use super::programs::{OwnKeys, TokenEndpoint};
use super::sign_in::SignIn;
use super::sink::Sink;
use super::telemetry::Telemetry;
use super::tenant::Tenant;
use super::upstream::Upstream;
use super::value::{FilePath, Span, WrittenFile};
use crate::crypto::Secret;

/// Doorward's configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Format of this file; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The address people type: scheme, host and port, without a path. Sign-in return addresses, cookies and redirects use it.
    pub public_url: String,
    /// Where Doorward's own pages live on that address.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// Where to listen; at least one.
    #[schemars(length(min = 1))]
    pub listeners: Vec<Listener>,
    /// Peers whose `X-Forwarded-*` and `Forwarded` headers are believed: networks in CIDR notation. Default: nobody.
    #[serde(default)]
    #[schemars(with = "Vec<super::value::Network>")]
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The separate listener for probes and metrics.
    #[serde(default)]
    pub operations: Option<Operations>,
    /// The application behind the door; routes may name another.
    pub upstream: Upstream,
    /// Where people, keys and sessions are kept. Only with `sessions.mode: sealed` may it be left out; `doorward check` then says what
    /// there is not.
    #[serde(default)]
    pub store: Option<Store>,
    /// At least 32 random bytes as text: seals cookies, derives signing keys. `head -c 32 /dev/urandom | base64` makes one.
    pub secret_key: Secret,
    /// Earlier values of `secret_key`: sealed sessions made with them go on until they end. Remove them after `sessions.absolute`.
    #[serde(default)]
    pub former_secret_keys: Vec<Secret>,
    #[serde(default)]
    pub sessions: Sessions,
    /// Organisations or workspaces. There is one, `default`, besides those named here.
    #[serde(default)]
    pub tenants: Vec<Tenant>,
    /// The mail server that letters go through.
    #[serde(default)]
    pub mail: Option<Mail>,
    /// Ways for people to sign in.
    #[serde(default)]
    pub connections: Vec<Connection>,
    #[serde(default)]
    pub sign_in: SignIn,
    #[serde(default)]
    pub scim: Scim,
    #[serde(default)]
    pub roles: Roles,
    /// Who may administer people, keys and connections by `/api/v1` below `prefix`, each in their own tenant.
    #[serde(default)]
    pub admin_api: AdminApi,
    /// Issuers whose JWTs are taken as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer: Vec<Bearer>,
    /// License keys checked offline.
    #[serde(default)]
    pub license: Option<License>,
    /// How a TLS client certificate becomes an identity. Absent: certificates are checked by the listener but are no credential.
    #[serde(default)]
    pub client_certificates: Option<ClientCertificates>,
    #[serde(default)]
    pub credentials: Credentials,
    /// Keys that people make for themselves at `{prefix}/keys`. Absent: nobody can.
    #[serde(default)]
    pub own_keys: Option<OwnKeys>,
    /// Where clients turn id and secret into a short-lived token (OAuth 2.0 `client_credentials`): `POST {prefix}/token`, described at
    /// `/.well-known/oauth-authorization-server`. Absent: nowhere.
    #[serde(default)]
    pub token_endpoint: Option<TokenEndpoint>,
    /// Who may go where; the first match wins. A request that matches none needs an identity.
    #[serde(default)]
    pub routes: Vec<Route>,
    #[serde(default)]
    pub identity_headers: IdentityHeaders,
    /// Addresses of other front doors that are answered too.
    #[serde(default)]
    pub compatibility: Compatibility,
    /// Decides for another proxy, which forwards by itself. Absent: for none.
    #[serde(default)]
    pub forward_auth: Option<ForwardAuth>,
    #[serde(default)]
    pub audit: Audit,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub logging: Logging,
    #[serde(default)]
    pub telemetry: Telemetry,
    #[serde(default)]
    pub shutdown: Shutdown,
}

fn default_prefix() -> String {
    "/.doorward".to_owned()
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// Address and port; keep it private.
    pub address: String,
}

/// Where directories provision people and groups: `{prefix}/scim/v2`, with tokens made by `doorward scim-token`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scim {
    /// Another path for it, such as `/scim/v2`, taken from the application.
    pub alias: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `sqlite:/path/to/doorward.db`, or for many replicas `postgres://user@host:5432/database`, where `?sslmode=verify-full` is what another
    /// machine is spoken to with unless it says `verify-ca`, `require` or `disable`, and `sslrootcert=FILE` names its authority.
    pub url: Secret,
    /// The password for PostgreSQL, where the URL holds none.
    pub password: Option<Secret>,
    /// At most so many connections of each replica to PostgreSQL, besides two that listen for changes. Default: 16.
    #[serde(default = "connections_of_a_replica")]
    #[schemars(range(min = 2, max = 1000))]
    pub connections: u32,
    /// How long PostgreSQL may take to let a connection be used, and to answer; then a request that needs it is answered with 503. Default: 1500ms.
    #[serde(default = "patience_with_the_store")]
    pub timeout: Span,
    /// Keeps sessions elsewhere: on a Valkey or Redis server that all replicas ask. Default: with everything else.
    #[serde(default)]
    pub sessions: Option<SessionServer>,
}

const fn connections_of_a_replica() -> u32 {
    16
}

const fn patience_with_the_store() -> Span {
    Span::millis(1500)
}

/// A Valkey or Redis server for sessions and for proofs that are used once. Read at the start.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionServer {
    /// `rediss://user:password@host:6379/0`, with TLS; also `valkeys://`, without TLS `redis://` and `valkey://`, and
    /// `unix:///path/to/socket`.
    pub url: Secret,
    /// The password, where the URL holds none.
    pub password: Option<Secret>,
    /// PEM file with the authorities to trust for the server instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<PathBuf>,
}

/// How long people stay signed in.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Ends after this long without a request.
    pub idle: Span,
    /// Ends this long after sign-in, whatever happens.
    pub absolute: Span,
    /// The provider is asked for new tokens at least this often, and before the ones at hand end, where it gave a refresh token.
    pub refresh: Span,
    /// Where sessions are kept.
    pub mode: SessionMode,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle: Span::seconds(3600),
            absolute: Span::seconds(12 * 3600),
            refresh: Span::seconds(3600),
            mode: SessionMode::Stored,
        }
    }
}

/// Where sessions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// In the store; the cookie holds a random id. Every session can be listed and ended at once.
    #[default]
    Stored,
    /// In the cookie, sealed with `secret_key`: replicas need no common store, or none at all. Ending a session from elsewhere reaches
    /// only replicas that share a store.
    Sealed,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// How long events are kept.
    pub retention: Span,
    /// The file in which events wait that came too fast for the store, or while it was down; a second process on this disk takes the same
    /// name with `.1`. Default: beside an embedded store, with `-events` after its name; with PostgreSQL they wait in memory. Read at the
    /// start.
    #[schemars(with = "Option<WrittenFile>")]
    pub journal: Option<PathBuf>,
    /// Bytes of the disk that the journal takes from the start on.
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_u64))]
    pub journal_size: u64,
    /// Where events are delivered, each at least once and in order.
    pub sinks: Vec<Sink>,
    /// The name under which this replica writes; the host's, if not set. Events are linked for each name on its own.
    pub source: Option<String>,
    /// What sets off an alarm besides the use of a break-glass account and a new administrator, which always do.
    pub alarms: Alarms,
}

/// What sets off an alarm: an event of a kind of its own.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alarms {
    /// So many failed sign-ins and refused credentials within `window`, of one account or from one address. 0: no alarm.
    #[schemars(range(max = 1000))]
    pub repeated_failures: u32,
    /// So many people deactivated or removed by one administrator or directory within `window`. 0: no alarm.
    #[schemars(range(max = 1000))]
    pub mass_deprovisioning: u32,
    pub window: Span,
    /// Whether it is an alarm that a key or client is used from a network (IPv4: a /24; IPv6: a /48) it never was used from before.
    pub new_networks: bool,
    /// How long the networks of a key or client are learnt first, from its first use on, without an alarm.
    pub learning: Span,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            repeated_failures: 30,
            mass_deprovisioning: 20,
            window: Span::seconds(300),
            new_networks: true,
            learning: Span::seconds(7 * 24 * 3600),
        }
    }
}

impl Audit {
    /// The name under which this replica writes.
    #[must_use]
    pub fn source(&self) -> String {
        self.source.clone().unwrap_or_else(|| {
            let host = hostname::get().unwrap_or_default();
            let fit = |letter: char| if is_of_a_source(letter) { letter } else { '-' };
            let name: String = host.to_string_lossy().chars().map(fit).take(SOURCE).collect();
            if name.is_empty() { "doorward".to_owned() } else { name }
        })
    }
}

/// Characters of the longest name of a source.
pub(super) const SOURCE: usize = 64;

/// Whether the name of a source may hold it.
pub(super) const fn is_of_a_source(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_')
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            retention: Span::seconds(365 * 86400),
            journal: None,
            journal_size: 64 * 1024 * 1024,
            sinks: Vec::new(),
            source: None,
            alarms: Alarms::default(),
        }
    }
}

/// Limits on what comes from outside.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request's head.
    #[schemars(range(min = 1))]
    pub header_bytes: usize,
    /// Fields of a request's head.
    #[schemars(range(min = 1))]
    pub header_count: usize,
    /// Bytes of the request target.
    #[schemars(range(min = 1))]
    pub target_bytes: usize,
    /// Bytes of all cookies together.
    #[schemars(range(min = 1))]
    pub cookie_bytes: usize,
    /// Time a client has to send a request's head.
    pub header_timeout: Span,
    /// Time a client has to finish the TLS handshake.
    pub handshake_timeout: Span,
    /// Time a connection may stay open between requests.
    pub keep_alive: Span,
    /// Time a request's body may keep the door waiting in all, beside one second for each 500 bytes.
    pub body_timeout: Span,
    /// Time within which a client must take something of what is sent to it.
    pub write_timeout: Span,
    /// Concurrent HTTP/2 streams of one connection.
    #[schemars(range(min = 1))]
    pub http2_streams: u32,
    /// Connections at once over all listeners; more wait.
    #[schemars(range(min = 1))]
    pub connections: usize,
    /// Failed credentials from one address within a minute before it has to wait.
    #[schemars(range(min = 1))]
    pub failures_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            header_count: 100,
            target_bytes: 8 * 1024,
            cookie_bytes: 16 * 1024,
            header_timeout: Span::seconds(10),
            handshake_timeout: Span::seconds(10),
            keep_alive: Span::seconds(60),
            body_timeout: Span::seconds(30),
            write_timeout: Span::seconds(30),
            http2_streams: 100,
            connections: 50_000,
            failures_per_minute: 30,
        }
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Logging {
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or a filter such as `info,doorward=debug`.
    pub level: String,
    /// One line for each request.
    pub access: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned(), access: true }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// After SIGTERM, how long to go on accepting while `/readyz` already says no, so that balancers look away.
    pub delay: Span,
    /// How long requests in flight may then take.
    pub grace: Span,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { delay: Span::seconds(0), grace: Span::seconds(30) }
    }
}
