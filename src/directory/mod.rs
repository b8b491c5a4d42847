//! People, keys and clients: the trait that every store passes one suite for.
//!
//! Refuses to say "not found" when it could not look: [`DirectoryError::Unavailable`] is its own answer, because unavailable is
//! never anonymous.

mod answers;
mod break_glass;
mod connections;
mod factors;
mod invitations;
pub mod networks;
mod provisioning;
mod renewals;
mod scim_calls;
mod scim_tokens;
pub mod search;
mod sql;

use std::fmt;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::db::Unavailable;
use crate::model::{ConnectionId, EmailAddress, FederatedLink, Program, ProgramKind, ProgramSecret, TenantId, User, UserId};

pub use answers::{Answers, Begun};
pub use break_glass::{BreakGlassAccount, BreakGlassError, BreakGlassFile};
pub use connections::Connections;
pub use factors::{FactorUse, Factors, MOST_FACTORS};
pub use invitations::Invitations;
pub use networks::{Networks, NewNetwork, Visits};
pub use provisioning::{Arrival, Described, Indexed, New, Provisioning, Redescribed, Unmade};
pub use renewals::Renewals;
pub use scim_calls::ScimCalls;
pub use scim_tokens::{Rotation, ScimTokens};
pub use sql::SqlDirectory;

/// Why the directory could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It could not be asked: try again later (HTTP 503).
    #[error("the directory is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The name is taken (HTTP 409).
    #[error("{0} is taken")]
    Conflict(String),
    /// There is no such thing to change (HTTP 404).
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// Somebody else changed it since it was read: read it again and decide anew (HTTP 412).
    #[error("the {0} was changed meanwhile")]
    Stale(&'static str),
    /// There are as many as there may be (HTTP 409).
    #[error("there are as many {0} as there may be")]
    Full(&'static str),
    /// Too many were made in a day (HTTP 429).
    #[error("too many {0} were made in a day")]
    Overused(&'static str),
    /// It was revoked, which is for ever (HTTP 409).
    #[error("the {0} was revoked")]
    Revoked(&'static str),
    /// It holds what no store can keep (HTTP 400).
    #[error("a text with U+0000 cannot be kept")]
    Unfit,
}

impl From<Unavailable> for DirectoryError {
    fn from(error: Unavailable) -> Self {
        if error.is_unfit_text() {
            return Self::Unfit;
        }
        Self::Unavailable(Box::new(error))
    }
}

/// Which part of a list: at most `limit` items after the one whose id is `after`.
#[derive(Clone, Debug)]
pub struct Page {
    pub after: Option<String>,
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: None, limit: 200 }
    }
}

/// Which people: those who fit all that is set.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Held by their user name, e-mail address or name, whatever its case.
    pub text: Option<String>,
    pub active: Option<bool>,
}

/// How one key or client was used: written in batches, never on the request's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramUse {
    pub kind: ProgramKind,
    pub id: String,
    pub at: Timestamp,
}

/// Where people and programs are kept. A write has been made durable when it returns.
#[async_trait]
pub trait Directory: fmt::Debug + Send + Sync {
    async fn create_user(&self, user: &User) -> Result<(), DirectoryError>;
    async fn user(&self, id: UserId) -> Result<Option<User>, DirectoryError>;
    /// By the name they type, compared in lower case.
    async fn user_by_name(&self, tenant: &TenantId, user_name: &str) -> Result<Option<User>, DirectoryError>;
    /// The one person with a password who has this e-mail address, compared in ASCII lower case; `None` if there are several, since
    /// then the address names nobody.
    async fn local_user_by_email(&self, tenant: &TenantId, email: &EmailAddress) -> Result<Option<User>, DirectoryError>;
    async fn user_by_link(&self, tenant: &TenantId, link: &FederatedLink) -> Result<Option<User>, DirectoryError>;
    /// Whom the connection provisions and nobody has signed in as yet: by the subject as their external id, by the address as their user
    /// name, or by the address alone if it is nobody else's there.
    async fn provisioned_user(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        subject: &str,
        email: Option<&EmailAddress>,
    ) -> Result<Option<User>, DirectoryError>;
    /// Ordered by id.
    async fn users(&self, tenant: &TenantId, page: &Page) -> Result<Vec<User>, DirectoryError>;
    /// Those who fit, ordered by id.
    async fn find_users(&self, tenant: &TenantId, filter: &UserFilter, page: &Page) -> Result<Vec<User>, DirectoryError>;
    /// Replaces the person; everything cached about them is forgotten everywhere. `user.updated_at` is the one that was read:
    /// if the stored one differs the answer is [`DirectoryError::Stale`], so that two writers cannot undo each other (a sign-in that
    /// refreshes groups must not bring back somebody deactivated meanwhile). Answers the person with the new `updated_at`.
    /// The tenant never changes.
    async fn update_user(&self, user: &User) -> Result<User, DirectoryError>;
    /// Removes the person and revokes the programs they own.
    async fn delete_user(&self, id: UserId) -> Result<(), DirectoryError>;

    /// Removes the person and all that is kept of them beside their id: factors, invitations, what their programs are called; those are
    /// revoked. What was removed is then in no file of the store.
    async fn erase_user(&self, user: &User) -> Result<(), DirectoryError>;

    /// An owner has to be a person of the same tenant.
    async fn create_program(&self, program: &Program) -> Result<(), DirectoryError>;
    /// The same for what a person makes for themselves: of what works there are at most `most`, also when two are made at once.
    /// Whoever makes and revokes again and again is [`DirectoryError::Overused`] for a day; the oldest of what does not work any more is removed.
    async fn create_own_program(&self, program: &Program, most: u32) -> Result<(), DirectoryError>;
    /// What a person owns and was not revoked, newest first; at most a thousand.
    async fn programs_of(&self, kind: ProgramKind, owner: UserId) -> Result<Vec<Program>, DirectoryError>;
    async fn program(&self, kind: ProgramKind, id: &str) -> Result<Option<Program>, DirectoryError>;
    /// Ordered by id; revoked ones too.
    async fn programs(&self, kind: ProgramKind, tenant: &TenantId, page: &Page) -> Result<Vec<Program>, DirectoryError>;
    /// Replaces name, owner, roles, scopes, networks and expiry; tenant, secrets, use and revocation have ways of their own, so that
    /// a late write lifts no revocation (threats C4) and brings back no secret.
    /// `before` is what was read: if what is replaced differs from it the answer is [`DirectoryError::Stale`], so that two writers cannot
    /// undo each other (a new name must not bring back a network that was taken away meanwhile).
    async fn update_program(&self, before: &Program, after: &Program) -> Result<(), DirectoryError>;
    /// Adds `secret` as the newest and lets the one before it work until `previous_until`, or until its own earlier end; older ones
    /// stop at once, so that never more than two are alive. One transaction: two rotations at once lose neither secret unnoticed.
    async fn rotate_program(
        &self,
        kind: ProgramKind,
        id: &str,
        secret: &ProgramSecret,
        previous_until: Timestamp,
    ) -> Result<(), DirectoryError>;
    /// Idempotent; an earlier revocation keeps its time.
    async fn revoke_program(&self, kind: ProgramKind, id: &str, at: Timestamp) -> Result<(), DirectoryError>;
    async fn record_program_use(&self, uses: &[ProgramUse]) -> Result<(), DirectoryError>;

    /// Cheap proof that the directory answers, for `/readyz`.
    async fn ping(&self) -> Result<(), DirectoryError>;
}
