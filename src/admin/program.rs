//! Keys and clients: the credentials of programs.
//!
//! Refuses to show a secret again: only its digest is kept.

use std::time::Duration;

use super::{Acting, Administration, Undone, check_expiry, check_text};
use crate::audit::event::program;
use crate::clock::Timestamp;
use crate::crypto::random::NoRandomness;
use crate::crypto::{Digest, Secret, token};
use crate::directory::{DirectoryError, Page};
use crate::model::{Program, ProgramKind, ProgramSecret, Scope, UserId};
use ipnet::IpNet;

/// Tries at a change that others keep overtaking.
const TRIES: usize = 5;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 200;

/// A program to be.
#[derive(Clone, Debug)]
pub struct NewProgram {
    pub name: String,
    pub owner: Option<UserId>,
    pub roles: Vec<String>,
    pub scopes: Vec<Scope>,
    pub networks: Vec<IpNet>,
    pub expires_at: Option<Timestamp>,
}

/// What is to be different; `None`: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramChange {
    pub name: Option<String>,
    pub owner: Option<Option<UserId>>,
    pub roles: Option<Vec<String>>,
    pub scopes: Option<Vec<Scope>>,
    pub networks: Option<Vec<IpNet>>,
    pub expires_at: Option<Option<Timestamp>>,
}

const fn word(kind: ProgramKind) -> &'static str {
    match kind {
        ProgramKind::ApiKey => "key",
        ProgramKind::Client => "client",
    }
}

fn new_secret(kind: ProgramKind, id: &str) -> Result<(Secret, Digest), NoRandomness> {
    match kind {
        ProgramKind::ApiKey => token::new_api_key(id),
        ProgramKind::Client => token::new_client_secret(),
    }
}

impl Administration {
    /// Ordered by id; revoked ones too.
    pub async fn programs(&self, acting: &Acting, kind: ProgramKind, page: &Page) -> Result<Vec<Program>, Undone> {
        Ok(self.means.directory.programs(kind, &acting.tenant, page).await?)
    }

    pub async fn program(&self, acting: &Acting, kind: ProgramKind, id: &str) -> Result<Program, Undone> {
        let found = self.means.directory.program(kind, id).await?.filter(|program| program.tenant == acting.tenant);
        found.ok_or(Undone::Missing(word(kind)))
    }

    /// Makes one; the secret cannot be shown again.
    pub async fn create_program(&self, acting: &Acting, kind: ProgramKind, new: NewProgram) -> Result<(Program, Secret), Undone> {
        check_text("name", &new.name, LONGEST_NAME)?;
        self.check_roles(&new.roles)?;
        self.check_owner(acting, new.owner).await?;
        let now = self.now();
        check_expiry(new.expires_at, now)?;
        let id = token::new_id()?;
        let (secret, digest) = new_secret(kind, &id)?;
        let program = Program {
            kind,
            id,
            tenant: acting.tenant.clone(),
            name: new.name,
            owner: new.owner,
            within_owner: false,
            roles: new.roles,
            scopes: new.scopes,
            networks: new.networks,
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
            secrets: vec![ProgramSecret { digest, created_at: now, expires_at: None }],
        };
        self.means.directory.create_program(&program).await?;
        self.record(acting, &program.id, program::created(&program, self.roles.administer(&program.roles))).await?;
        Ok((program, secret))
    }

    /// Changes what is said, again and again if somebody else changes something at the same time.
    pub async fn change_program(
        &self,
        acting: &Acting,
        kind: ProgramKind,
        id: &str,
        change: ProgramChange,
    ) -> Result<Program, Undone> {
        if let Some(name) = &change.name {
            check_text("name", name, LONGEST_NAME)?;
        }
        self.check_roles(change.roles.as_deref().unwrap_or_default())?;
        self.check_owner(acting, change.owner.flatten()).await?;
        check_expiry(change.expires_at.flatten(), self.now())?;
        for _ in 0..TRIES {
            let before = self.program(acting, kind, id).await?;
            if before.revoked_at.is_some() {
                return Err(DirectoryError::Revoked(word(kind)).into());
            }
            let mut after = before.clone();
            change.clone().apply(&mut after);
            if after == before {
                return Ok(after);
            }
            match self.means.directory.update_program(&before, &after).await {
                Err(DirectoryError::Stale(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => {
                    let administrator = self.roles.administer(&after.roles) && !self.roles.administer(&before.roles);
                    self.record(acting, id, program::changed(&before, &after, administrator)).await?;
                    return Ok(after);
                }
            }
        }
        Err(Undone::Stale(word(kind)))
    }

    /// Gives it a new secret; the one before works for `overlap` yet, until the moment that is told.
    pub async fn rotate_program(
        &self,
        acting: &Acting,
        kind: ProgramKind,
        id: &str,
        overlap: Duration,
    ) -> Result<(Program, Secret, Timestamp), Undone> {
        let before = self.program(acting, kind, id).await?;
        let (secret, digest) = new_secret(kind, id)?;
        let now = self.now();
        let until = now.after(overlap);
        let newest = ProgramSecret { digest, created_at: now, expires_at: None };
        self.means.directory.rotate_program(kind, id, &newest, until).await?;
        self.record(acting, id, program::rotated(&before, until)).await?;
        Ok((self.program(acting, kind, id).await?, secret, until))
    }

    /// Refuses it from now on, for ever. Says what it was before.
    pub async fn revoke_program(&self, acting: &Acting, kind: ProgramKind, id: &str) -> Result<Program, Undone> {
        let before = self.program(acting, kind, id).await?;
        if before.revoked_at.is_none() {
            self.means.directory.revoke_program(kind, id, self.now()).await?;
            self.record(acting, id, program::revoked(&before)).await?;
        }
        Ok(before)
    }

    /// What belongs to somebody who is locked out would not work.
    async fn check_owner(&self, acting: &Acting, owner: Option<UserId>) -> Result<(), Undone> {
        let Some(owner) = owner else { return Ok(()) };
        match self.user(acting, owner).await {
            Ok(user) if user.active => Ok(()),
            Ok(_) => Err(Undone::unfit("owner", "they are deactivated; what belongs to them would not work")),
            Err(Undone::Missing(_)) => Err(Undone::unfit("owner", "there is no such person")),
            Err(error) => Err(error),
        }
    }
}

impl ProgramChange {
    fn apply(self, program: &mut Program) {
        program.name = self.name.unwrap_or_else(|| std::mem::take(&mut program.name));
        program.owner = self.owner.unwrap_or(program.owner);
        program.roles = self.roles.unwrap_or_else(|| std::mem::take(&mut program.roles));
        program.scopes = self.scopes.unwrap_or_else(|| std::mem::take(&mut program.scopes));
        program.networks = self.networks.unwrap_or_else(|| std::mem::take(&mut program.networks));
        program.expires_at = self.expires_at.unwrap_or(program.expires_at);
    }
}
