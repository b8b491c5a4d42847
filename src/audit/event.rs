//! Audit events.
//!
//! Refuses free text where a reason can be named, because a reader filters by reasons; a secret is never a field.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::crypto::random;
use crate::model::TenantId;

/// One thing that happened. Names are stable. What is written of it can be read again, because an event may have to wait on the disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// A UUID (version 7): whoever gets the event twice knows it by this.
    #[serde(default = "another")]
    pub id: Uuid,
    pub at: Timestamp,
    pub kind: Kind,
    pub outcome: Outcome,
    /// Why it failed or was denied: a stable snake_case name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
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
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Failure,
}

impl Outcome {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

impl Event {
    /// Something that happened in `tenant`; what else is known is set on it.
    #[must_use]
    pub fn new(at: Timestamp, kind: Kind, outcome: Outcome, tenant: &TenantId) -> Self {
        Self {
            id: id(at),
            at,
            kind,
            outcome,
            reason: None,
            tenant: tenant.to_string(),
            actor: None,
            target: None,
            credential: None,
            session: None,
            source: None,
            user_agent: None,
            request_id: None,
            details: serde_json::Map::new(),
        }
    }
}

/// For an event that an older version wrote down without one.
fn another() -> Uuid {
    id(Timestamp::default())
}

/// A new id, in the order of time to the millisecond (RFC 9562 §5.7).
fn id(at: Timestamp) -> Uuid {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let millis = u64::try_from(at.millis()).unwrap_or_default();
    // An id has to be unique and may be guessed: what is to be recorded must not fail for want of randomness.
    let rest = random::bytes().unwrap_or_else(|_| {
        let mut rest = [0; 10];
        rest[2..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        rest
    });
    uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What happened. The OCSF class is in brackets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind, in the order of this page.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The one with this stable name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|kind| kind.as_str() == name).copied()
            }

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A person signed in or tried to [Authentication 3002].
    SignIn = "sign_in",
    /// A letter with a link to sign in was asked for, and sent or not [Authentication 3002].
    SignInLinkSent = "sign_in_link_sent",
    /// A person signed out [Authentication 3002].
    SignOut = "sign_out",
    /// A session was ended by somebody else than its holder [Authentication 3002].
    SessionEnded = "session_ended",
    /// A local account has to wait after too many wrong passwords [Authentication 3002].
    AccountLocked = "account_locked",
    /// A break-glass account was used, or somebody tried; always an alarm [Authentication 3002].
    BreakGlassUsed = "break_glass_used",
    /// A break-glass account was made, or removed; always an alarm [Account Change 3001].
    BreakGlassChanged = "break_glass_changed",
    /// A request's credential was refused [API Activity 6003].
    CredentialRefused = "credential_refused",
    /// A request could be read in two ways, was too large or too slow [API Activity 6003]. At most sixty a minute; `left_out` in
    /// the next one's details says how many more there were.
    RequestRefused = "request_refused",
    /// A known identity was not allowed [API Activity 6003].
    AccessDenied = "access_denied",
    /// [Account Change 3001]
    UserCreated = "user_created",
    /// [Account Change 3001]
    UserChanged = "user_changed",
    /// Somebody is refused from now on [Account Change 3001].
    UserDeactivated = "user_deactivated",
    /// Somebody is let in again [Account Change 3001].
    UserReactivated = "user_reactivated",
    /// [Account Change 3001]
    UserDeleted = "user_deleted",
    /// Somebody was removed, and what was known of them with them [Account Change 3001].
    UserErased = "user_erased",
    /// Somebody was given a role [Account Change 3001].
    RoleAssigned = "role_assigned",
    /// A role was taken from somebody [Account Change 3001].
    RoleUnassigned = "role_unassigned",
    /// [Group Management 3006]
    GroupCreated = "group_created",
    /// A group has another name, or other members [Group Management 3006].
    GroupChanged = "group_changed",
    /// [Group Management 3006]
    GroupRemoved = "group_removed",
    /// A person has one more second factor [Account Change 3001].
    FactorAdded = "factor_added",
    /// A person has one second factor less [Account Change 3001].
    FactorRemoved = "factor_removed",
    /// Somebody was invited to have an account [Account Change 3001].
    InvitationCreated = "invitation_created",
    /// The invited person said yes [Account Change 3001].
    InvitationAccepted = "invitation_accepted",
    /// [Account Change 3001]
    InvitationRevoked = "invitation_revoked",
    /// [Entity Management 3004]
    KeyCreated = "key_created",
    /// [Entity Management 3004]
    KeyChanged = "key_changed",
    /// [Entity Management 3004]
    KeyRotated = "key_rotated",
    /// [Entity Management 3004]
    KeyRevoked = "key_revoked",
    /// [Entity Management 3004]
    ClientCreated = "client_created",
    /// [Entity Management 3004]
    ClientChanged = "client_changed",
    /// [Entity Management 3004]
    ClientRotated = "client_rotated",
    /// [Entity Management 3004]
    ClientRevoked = "client_revoked",
    /// A client got a token, or tried [Authentication 3002].
    TokenIssued = "token_issued",
    /// A directory's client may provision by a connection [Entity Management 3004].
    ScimTokenCreated = "scim_token_created",
    /// A new secret works too, alone, or no more; the details say which [Entity Management 3004].
    ScimTokenRotated = "scim_token_rotated",
    /// [Entity Management 3004]
    ScimTokenRevoked = "scim_token_revoked",
    /// A way to sign in was added to the store [Entity Management 3004].
    ConnectionCreated = "connection_created",
    /// [Entity Management 3004]
    ConnectionUpdated = "connection_updated",
    /// [Entity Management 3004]
    ConnectionRemoved = "connection_removed",
    /// The configuration was reloaded, or refused [Entity Management 3004].
    ConfigurationReloaded = "configuration_reloaded",
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        let known = Self::ALL.iter().find(|kind| kind.as_str() == name);
        known.copied().ok_or_else(|| serde::de::Error::custom("there is no such kind of event"))
    }
}
