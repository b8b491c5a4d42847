//! Which class and activity of OCSF an event is.
//!
//! Refuses to guess: an event of a kind that is not known here is a base event, and says so.

use super::super::{Entry, Kind};

/// An event class of OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Base,
    AccountChange,
    Authentication,
    EntityManagement,
    GroupManagement,
    ApiActivity,
}

impl Class {
    pub(super) const fn uid(self) -> u32 {
        match self {
            Self::Base => 0,
            Self::AccountChange => 3001,
            Self::Authentication => 3002,
            Self::EntityManagement => 3004,
            Self::GroupManagement => 3006,
            Self::ApiActivity => 6003,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Base => "Base Event",
            Self::AccountChange => "Account Change",
            Self::Authentication => "Authentication",
            Self::EntityManagement => "Entity Management",
            Self::GroupManagement => "Group Management",
            Self::ApiActivity => "API Activity",
        }
    }

    pub(super) const fn category(self) -> (u32, &'static str) {
        match self {
            Self::Base => (0, "Uncategorized"),
            Self::ApiActivity => (6, "Application Activity"),
            _ => (3, "Identity & Access Management"),
        }
    }
}

/// An activity of a class; [`OTHER`] with a name of our own where OCSF has none.
pub(super) type Activity = (u32, &'static str);

const OTHER: u32 = 99;

/// What `entry` is.
pub(super) fn classify(entry: &Entry) -> (Class, Activity) {
    let Some(kind) = Kind::named(&entry.kind) else { return (Class::Base, (OTHER, "Other")) };
    (class(kind), activity(kind, entry))
}

pub(super) const fn class(kind: Kind) -> Class {
    match kind {
        Kind::SignIn
        | Kind::SignInLinkSent
        | Kind::SignOut
        | Kind::SessionEnded
        | Kind::SessionExpired
        | Kind::BreakGlassUsed
        | Kind::RepeatedFailures
        | Kind::CredentialNewNetwork
        | Kind::TokenIssued => Class::Authentication,
        Kind::AccountLocked
        | Kind::BreakGlassChanged
        | Kind::UserCreated
        | Kind::UserChanged
        | Kind::UserDeactivated
        | Kind::UserReactivated
        | Kind::UserDeleted
        | Kind::UserErased
        | Kind::MassDeprovisioning
        | Kind::RoleAssigned
        | Kind::RoleUnassigned
        | Kind::FactorAdded
        | Kind::FactorRemoved
        | Kind::InvitationCreated
        | Kind::InvitationAccepted
        | Kind::InvitationRevoked => Class::AccountChange,
        Kind::CredentialRefused | Kind::RequestRefused | Kind::AccessDenied | Kind::RequestServed => Class::ApiActivity,
        Kind::GroupCreated | Kind::GroupChanged | Kind::GroupRemoved => Class::GroupManagement,
        Kind::SecretRevealed
        | Kind::KeyCreated
        | Kind::KeyChanged
        | Kind::KeyRotated
        | Kind::KeyRevoked
        | Kind::ClientCreated
        | Kind::ClientChanged
        | Kind::ClientRotated
        | Kind::ClientRevoked
        | Kind::ScimTokenCreated
        | Kind::ScimTokenRotated
        | Kind::ScimTokenRevoked
        | Kind::ConnectionCreated
        | Kind::ConnectionUpdated
        | Kind::ConnectionRemoved
        | Kind::DeadLettersRetried
        | Kind::DeadLettersDropped
        | Kind::ConfigurationReloaded
        | Kind::AuditCheckpoint => Class::EntityManagement,
    }
}

fn activity(kind: Kind, entry: &Entry) -> Activity {
    match kind {
        Kind::SignIn | Kind::BreakGlassUsed => (1, "Logon"),
        Kind::SignOut | Kind::SessionEnded | Kind::SessionExpired => (2, "Logoff"),
        Kind::RepeatedFailures => (OTHER, "Repeated Failures"),
        Kind::CredentialNewNetwork => (OTHER, "New Network"),
        Kind::MassDeprovisioning => (OTHER, "Mass Deprovisioning"),
        Kind::SignInLinkSent => (6, "Preauth"),
        Kind::TokenIssued => (3, "Authentication Ticket"),
        Kind::AccountLocked => (9, "Lock"),
        Kind::SecretRevealed => (2, "Read"),
        Kind::BreakGlassChanged if detail(entry, "change") == Some("removed") => (6, "Delete"),
        Kind::BreakGlassChanged
        | Kind::UserCreated
        | Kind::KeyCreated
        | Kind::ClientCreated
        | Kind::ScimTokenCreated
        | Kind::ConnectionCreated => (1, "Create"),
        Kind::UserChanged if entry.details.contains_key("password") => (3, "Password Change"),
        Kind::UserChanged => (OTHER, "Update"),
        Kind::UserDeactivated => (5, "Disable"),
        Kind::UserReactivated => (2, "Enable"),
        Kind::UserDeleted | Kind::UserErased => (6, "Delete"),
        Kind::RoleAssigned => (7, "Attach Policy"),
        Kind::RoleUnassigned => (8, "Detach Policy"),
        Kind::FactorAdded => (10, "MFA Factor Enable"),
        Kind::FactorRemoved => (11, "MFA Factor Disable"),
        Kind::InvitationCreated => (OTHER, "Invite"),
        Kind::InvitationAccepted => (OTHER, "Accept Invitation"),
        Kind::InvitationRevoked => (OTHER, "Revoke Invitation"),
        Kind::CredentialRefused | Kind::RequestRefused | Kind::AccessDenied | Kind::RequestServed => {
            match detail(entry, "method") {
                Some("POST") => (1, "Create"),
                Some("GET" | "HEAD") => (2, "Read"),
                Some("PUT" | "PATCH") => (3, "Update"),
                Some("DELETE") => (4, "Delete"),
                _ => (OTHER, "Other"),
            }
        }
        Kind::GroupCreated => (6, "Create"),
        Kind::GroupRemoved => (5, "Delete"),
        Kind::GroupChanged => match (people(entry, "joined"), people(entry, "left")) {
            (1.., 0) => (3, "Add User"),
            (0, 1..) => (4, "Remove User"),
            _ => (OTHER, "Update"),
        },
        Kind::KeyChanged
        | Kind::KeyRotated
        | Kind::ClientChanged
        | Kind::ClientRotated
        | Kind::ScimTokenRotated
        | Kind::ConnectionUpdated
        | Kind::DeadLettersRetried
        | Kind::ConfigurationReloaded
        | Kind::AuditCheckpoint => (3, "Update"),
        Kind::KeyRevoked | Kind::ClientRevoked | Kind::ScimTokenRevoked | Kind::ConnectionRemoved | Kind::DeadLettersDropped => {
            (4, "Delete")
        }
    }
}

pub(super) fn detail<'e>(entry: &'e Entry, name: &str) -> Option<&'e str> {
    entry.details.get(name)?.as_str()
}

/// How many a list of people has, or says it has.
fn people(entry: &Entry, name: &str) -> u64 {
    let told = entry.details.get(name);
    told.and_then(|told| told.as_array().map(|list| list.len() as u64).or_else(|| told.as_u64())).unwrap_or_default()
}
