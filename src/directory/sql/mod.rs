//! The directory in a database, the same statements for either engine.
//!
//! Refuses a change without its announcement: both are in one transaction, because a cache that was not told keeps the door open.

mod answer;
mod connection;
mod erasure;
mod factor;
mod group;
mod invitation;
mod network;
mod program;
mod provision_search;
mod provisioned;
mod provisioning;
mod scim_token;
mod search;
mod together;
mod user;
mod walk;

use async_trait::async_trait;

use super::{Directory, DirectoryError, Page, ProgramUse, UserFilter};
use crate::clock::Timestamp;
use crate::db::{Database, Failure, query};
use crate::model::{ConnectionId, EmailAddress, FederatedLink, Program, ProgramKind, ProgramSecret, TenantId, User, UserId};

/// People and programs in a database.
#[derive(Clone, Debug)]
pub struct SqlDirectory {
    database: Database,
    walks: walk::Walks,
}

type Outcome<T> = Result<T, Failure<DirectoryError>>;

impl SqlDirectory {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, walks: walk::Walks::default() }
    }
}

impl From<Failure<Self>> for DirectoryError {
    fn from(failure: Failure<Self>) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Unavailable(error) => error.into(),
        }
    }
}

const fn refuse<T>(refusal: DirectoryError) -> Outcome<T> {
    Err(Failure::Refused(refusal))
}

#[async_trait]
impl Directory for SqlDirectory {
    async fn create_user(&self, user: &User) -> Result<(), DirectoryError> {
        let user = user.clone();
        Ok(self.database.write(|connection| Box::pin(user::create(connection, user))).await?)
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, DirectoryError> {
        Ok(self.database.read(user::by_id(self.database.readers(), id)).await?)
    }

    async fn user_by_name(&self, tenant: &TenantId, user_name: &str) -> Result<Option<User>, DirectoryError> {
        Ok(self.database.read(user::by_name(self.database.readers(), tenant, user_name)).await?)
    }

    async fn local_user_by_email(&self, tenant: &TenantId, email: &EmailAddress) -> Result<Option<User>, DirectoryError> {
        Ok(self.database.read(user::local_by_email(self.database.readers(), tenant, email)).await?)
    }

    async fn user_by_link(&self, tenant: &TenantId, link: &FederatedLink) -> Result<Option<User>, DirectoryError> {
        Ok(self.database.read(user::by_link(self.database.readers(), tenant, link)).await?)
    }

    async fn provisioned_user(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        subject: &str,
        email: Option<&EmailAddress>,
    ) -> Result<Option<User>, DirectoryError> {
        let found = user::provisioned_for(self.database.readers(), tenant, connection, subject, email);
        Ok(self.database.read(found).await?)
    }

    async fn users(&self, tenant: &TenantId, page: &Page) -> Result<Vec<User>, DirectoryError> {
        Ok(self.database.read(user::page(self.database.readers(), tenant, page)).await?)
    }

    async fn find_users(&self, tenant: &TenantId, filter: &UserFilter, page: &Page) -> Result<Vec<User>, DirectoryError> {
        Ok(self.database.read(search::find(self.database.readers(), tenant, filter, page)).await?)
    }

    async fn update_user(&self, user: &User) -> Result<User, DirectoryError> {
        let (user, now) = (user.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(user::update(connection, user, now))).await?)
    }

    async fn delete_user(&self, id: UserId) -> Result<(), DirectoryError> {
        let now = self.database.now();
        Ok(self.database.write(move |connection| Box::pin(user::delete(connection, id, now))).await?)
    }

    async fn erase_user(&self, user: &User) -> Result<(), DirectoryError> {
        let (user, now) = (user.clone(), self.database.now());
        self.database.write(move |connection| Box::pin(erasure::erase(connection, user, now))).await?;
        if !self.database.scrub().await? {
            tracing::warn!("somebody was erased, but the store's log, which is being read, holds them until it is written over");
        }
        Ok(())
    }

    async fn create_program(&self, program: &Program) -> Result<(), DirectoryError> {
        let program = program.clone();
        Ok(self.database.write(|connection| Box::pin(program::create(connection, program))).await?)
    }

    async fn create_own_program(&self, program: &Program, most: u32) -> Result<(), DirectoryError> {
        let (program, now) = (program.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(program::create_own(connection, program, most, now))).await?)
    }

    async fn programs_of(&self, kind: ProgramKind, owner: UserId) -> Result<Vec<Program>, DirectoryError> {
        Ok(self.database.read(program::owned(self.database.readers(), kind, owner)).await?)
    }

    async fn program(&self, kind: ProgramKind, id: &str) -> Result<Option<Program>, DirectoryError> {
        Ok(self.database.read(program::by_id(self.database.readers(), kind, id)).await?)
    }

    async fn programs(&self, kind: ProgramKind, tenant: &TenantId, page: &Page) -> Result<Vec<Program>, DirectoryError> {
        Ok(self.database.read(program::page(self.database.readers(), kind, tenant, page)).await?)
    }

    async fn update_program(&self, before: &Program, after: &Program) -> Result<(), DirectoryError> {
        let (before, after, now) = (before.clone(), after.clone(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(program::update(connection, before, after, now))).await?)
    }

    async fn rotate_program(
        &self,
        kind: ProgramKind,
        id: &str,
        secret: &ProgramSecret,
        previous_until: Timestamp,
    ) -> Result<(), DirectoryError> {
        let (id, secret) = (id.to_owned(), secret.clone());
        Ok(self.database.write(move |connection| Box::pin(program::rotate(connection, kind, id, secret, previous_until))).await?)
    }

    async fn revoke_program(&self, kind: ProgramKind, id: &str, at: Timestamp) -> Result<(), DirectoryError> {
        let id = id.to_owned();
        Ok(self.database.write(move |connection| Box::pin(program::revoke(connection, kind, id, at))).await?)
    }

    async fn record_program_use(&self, uses: &[ProgramUse]) -> Result<(), DirectoryError> {
        let uses = uses.to_vec();
        Ok(self.database.write(|connection| Box::pin(program::record_use(connection, uses))).await?)
    }

    async fn ping(&self) -> Result<(), DirectoryError> {
        let ping = query("SELECT count(*) FROM (SELECT id FROM users LIMIT 1) AS one");
        let _: i64 = self.database.read(ping.fetch_one(self.database.readers())).await?;
        Ok(())
    }
}
