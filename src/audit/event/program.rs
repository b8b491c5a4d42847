//! What there is to say of a key or a client, whoever made it.
//!
//! Refuses to tell the two apart anywhere else: they live the same life under two names.

use super::fact::{Now, Personal};
use super::what::{
    ClientChanged, ClientCreated, ClientRevoked, ClientRotated, KeyChanged, KeyCreated, KeyRevoked, KeyRotated, What,
};
use crate::clock::Timestamp;
use crate::model::{Program, ProgramKind};

/// `administrator`: whether it may administrate.
#[must_use]
pub fn created(program: &Program, administrator: bool) -> What {
    let name = Some(Personal(program.name.clone()));
    let (owner, expires_at) = (program.owner, program.expires_at);
    let (roles, scopes) = (Some(program.roles.clone()), Some(program.scopes.clone()));
    match program.kind {
        ProgramKind::ApiKey => KeyCreated { administrator, name, owner, roles, scopes, expires_at }.into(),
        ProgramKind::Client => ClientCreated { administrator, name, owner, roles, scopes, expires_at }.into(),
    }
}

/// `administrator`: whether it may administrate from now on.
#[must_use]
pub fn changed(before: &Program, after: &Program, administrator: bool) -> What {
    let (name, owner) = (Some(Personal(after.name.clone())), after.owner);
    let roles = (before.roles != after.roles).then(|| after.roles.clone());
    let scopes = (before.scopes != after.scopes).then(|| after.scopes.clone());
    let networks = (before.networks != after.networks).then(|| after.networks.clone());
    let expires_at = (before.expires_at != after.expires_at).then_some(Now(after.expires_at));
    match after.kind {
        ProgramKind::ApiKey => KeyChanged { administrator, name, owner, roles, scopes, networks, expires_at }.into(),
        ProgramKind::Client => ClientChanged { administrator, name, owner, roles, scopes, networks, expires_at }.into(),
    }
}

/// The secret before works until `until`.
#[must_use]
pub fn rotated(program: &Program, until: Timestamp) -> What {
    let (name, owner, previous_until) = (Some(Personal(program.name.clone())), program.owner, Some(until));
    match program.kind {
        ProgramKind::ApiKey => KeyRotated { name, owner, previous_until }.into(),
        ProgramKind::Client => ClientRotated { name, owner, previous_until }.into(),
    }
}

#[must_use]
pub fn revoked(program: &Program) -> What {
    let (name, owner) = (Some(Personal(program.name.clone())), program.owner);
    match program.kind {
        ProgramKind::ApiKey => KeyRevoked { name, owner }.into(),
        ProgramKind::Client => ClientRevoked { name, owner }.into(),
    }
}
