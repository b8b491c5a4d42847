//! Audit events.
//!
//! Refuses free text where a reason can be named, because a reader filters by reasons; a secret is never a field.

use std::net::IpAddr;

use serde::Serialize;

use crate::clock::Timestamp;

/// One thing that happened. Stable names; see `docs` of each kind for its OCSF class.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    pub at: Timestamp,
    pub kind: Kind,
    pub outcome: Outcome,
    /// Why it failed or was denied: a stable snake_case name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    pub tenant: String,
    /// Who did it: a user id, key id, client id, or `cli`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// To what or whom it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<crate::model::CredentialKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// After trusted proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Further facts of this kind of event; secrets never.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Failure,
}

/// What happened. The OCSF class is in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person signed in or tried to [Authentication 3002].
    SignIn,
    /// A person signed out [Authentication 3002].
    SignOut,
    /// A session was ended by somebody else than its holder [Authentication 3002].
    SessionEnded,
    /// A local account has to wait after too many wrong passwords [Authentication 3002].
    AccountLocked,
    /// A request's credential was refused [API Activity 6003].
    CredentialRefused,
    /// A known identity was not allowed [API Activity 6003].
    AccessDenied,
    /// [Account Change 3001]
    UserCreated,
    /// [Account Change 3001]
    UserChanged,
    /// [Entity Management 3004]
    KeyCreated,
    /// [Entity Management 3004]
    KeyRotated,
    /// [Entity Management 3004]
    KeyRevoked,
    /// [Entity Management 3004]
    ClientCreated,
    /// [Entity Management 3004]
    ClientRotated,
    /// [Entity Management 3004]
    ClientRevoked,
    /// The configuration was reloaded, or refused [Entity Management 3004].
    ConfigurationReloaded,
}
