//! What callers see of things.
//!
//! Refuses to show a secret or its digest: each shape is written out here, so that a new field of a noun is not shown by accident.

use axum::response::Response;
use http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::Administration;
use crate::clock::Timestamp;
use crate::model::{Program, Session, User};

/// RFC 3339 in UTC.
fn moment(at: Timestamp) -> String {
    at.to_string()
}

/// An answer with the version of what it shows.
pub(super) fn versioned(mut answer: Response, version: Timestamp) -> Response {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", version.millis())) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownUser {
    /// Doorward's own; never an identity provider's.
    #[schema(format = Uuid)]
    id: String,
    tenant: String,
    /// What the person types to sign in; unique in the tenant whatever its case.
    user_name: String,
    email: Option<String>,
    /// What the person is called.
    name: Option<String>,
    /// Whether the person is let in.
    active: bool,
    /// What the identity provider last said, or an administrator set.
    groups: Vec<String>,
    /// Names of the directory's groups that the person is in; see `/groups`.
    directory_groups: Vec<String>,
    /// Roles assigned to the person, besides those that groups give.
    roles: Vec<String>,
    /// All roles that count, highest first.
    effective_roles: Vec<String>,
    /// The connection by which the person signs in, once they have.
    connection: Option<String>,
    /// Whether the person can sign in with a password.
    has_password: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl ShownUser {
    pub(super) fn of(admin: &Administration, user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            tenant: user.tenant.to_string(),
            user_name: user.user_name.clone(),
            email: user.email.as_ref().map(ToString::to_string),
            name: user.name.clone(),
            active: user.active,
            groups: user.groups.clone(),
            directory_groups: user.directory_groups.clone(),
            roles: user.roles.clone(),
            effective_roles: admin.roles_of(user),
            connection: user.link.as_ref().map(|link| link.connection.to_string()),
            has_password: user.password_hash.is_some(),
            created_at: moment(user.created_at),
            updated_at: moment(user.updated_at),
        }
    }
}

/// A person's session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownSession {
    /// Names the session; opens nothing.
    session: String,
    #[schema(format = Uuid)]
    user: String,
    connection: String,
    /// What the person did to sign in (RFC 8176).
    amr: Vec<String>,
    /// Where they signed in.
    address: Option<String>,
    user_agent: Option<String>,
    #[schema(format = DateTime)]
    authenticated_at: String,
    #[schema(format = DateTime)]
    last_seen_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<Session> for ShownSession {
    fn from(session: Session) -> Self {
        Self {
            session: session.handle.0,
            user: session.user.to_string(),
            connection: session.connection.to_string(),
            amr: session.amr,
            address: session.client_address,
            user_agent: session.user_agent,
            authenticated_at: moment(session.authenticated_at),
            last_seen_at: moment(session.last_seen_at),
            expires_at: moment(session.expires_at),
        }
    }
}

/// A key or a client, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownProgram {
    /// Public.
    id: String,
    tenant: String,
    /// What it is for.
    name: String,
    /// The person whose deactivation ends it.
    #[schema(format = Uuid)]
    owner: Option<String>,
    roles: Vec<String>,
    /// What it may do: `resource:action`.
    scopes: Vec<String>,
    /// Where it may be used from; empty: anywhere.
    networks: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// Until when the secret before the newest works, while it does.
    #[schema(format = DateTime)]
    previous_until: Option<String>,
}

impl ShownProgram {
    pub(super) fn of(program: Program, now: Timestamp) -> Self {
        let previous = program.secrets.get(1).and_then(|secret| secret.expires_at).filter(|end| *end > now);
        Self {
            id: program.id,
            tenant: program.tenant.to_string(),
            name: program.name,
            owner: program.owner.map(|owner| owner.to_string()),
            roles: program.roles,
            scopes: program.scopes.iter().map(ToString::to_string).collect(),
            networks: program.networks.iter().map(ToString::to_string).collect(),
            created_at: moment(program.created_at),
            expires_at: program.expires_at.map(moment),
            revoked_at: program.revoked_at.map(moment),
            last_used_at: program.last_used_at.map(moment),
            previous_until: previous.map(moment),
        }
    }
}

/// A key or a client with a secret that is shown now and never again.
#[derive(Serialize, ToSchema)]
pub(super) struct RevealedProgram {
    #[serde(flatten)]
    program: ShownProgram,
    secret: String,
}

impl RevealedProgram {
    pub(super) const fn new(program: ShownProgram, secret: String) -> Self {
        Self { program, secret }
    }
}
