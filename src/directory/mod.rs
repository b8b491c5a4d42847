//! People, keys and clients: the trait that every store passes one suite for.
//!
//! Refuses to say "not found" when it could not look: [`DirectoryError::Unavailable`] is its own answer, because unavailable is
//! never anonymous.

use std::fmt;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::model::{FederatedLink, Program, ProgramKind, TenantId, User, UserId};

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
    async fn user_by_link(&self, tenant: &TenantId, link: &FederatedLink) -> Result<Option<User>, DirectoryError>;
    /// Ordered by id.
    async fn users(&self, tenant: &TenantId, page: &Page) -> Result<Vec<User>, DirectoryError>;
    /// Replaces the person; everything cached about them is forgotten everywhere.
    async fn update_user(&self, user: &User) -> Result<(), DirectoryError>;
    async fn delete_user(&self, id: UserId) -> Result<(), DirectoryError>;

    async fn create_program(&self, program: &Program) -> Result<(), DirectoryError>;
    async fn program(&self, kind: ProgramKind, id: &str) -> Result<Option<Program>, DirectoryError>;
    /// Ordered by id; revoked ones too.
    async fn programs(&self, kind: ProgramKind, tenant: &TenantId, page: &Page) -> Result<Vec<Program>, DirectoryError>;
    /// Replaces the program but never lifts a revocation (threats C4).
    async fn update_program(&self, program: &Program) -> Result<(), DirectoryError>;
    /// Idempotent; an earlier revocation keeps its time.
    async fn revoke_program(&self, kind: ProgramKind, id: &str, at: Timestamp) -> Result<(), DirectoryError>;
    async fn record_program_use(&self, uses: &[ProgramUse]) -> Result<(), DirectoryError>;

    /// Cheap proof that the directory answers, for `/readyz`.
    async fn ping(&self) -> Result<(), DirectoryError>;
}
