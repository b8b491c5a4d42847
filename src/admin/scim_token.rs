//! Tokens of companies' directories: making, exchanging and ending them, and what was asked with them.
//!
//! Refuses to show a token again: only its digest is kept. Whatever ends, people and groups stay as they are.

use super::{Acting, Administration, Undone, check_expiry, check_text};
use crate::audit::what::{ScimTokenCreated, ScimTokenRevoked, ScimTokenRotated};
use crate::clock::Timestamp;
use crate::crypto::{Secret, token};
use crate::directory::{DirectoryError, Rotation};
use crate::model::{ConnectionId, ScimCall, ScimToken};

/// Longest name, in bytes.
const LONGEST_NAME: usize = 200;

/// A token to be.
#[derive(Clone, Debug)]
pub struct NewScimToken {
    /// Whose people it provisions.
    pub connection: ConnectionId,
    pub name: String,
    pub expires_at: Option<Timestamp>,
}

impl Administration {
    /// The tenant's, newest first; revoked ones too.
    pub async fn scim_tokens(&self, acting: &Acting) -> Result<Vec<ScimToken>, Undone> {
        Ok(self.means.scim_tokens.scim_tokens(&acting.tenant).await?)
    }

    pub async fn scim_token(&self, acting: &Acting, id: &str) -> Result<ScimToken, Undone> {
        let found = self.means.scim_tokens.scim_token(id).await?.filter(|token| token.tenant == acting.tenant);
        found.ok_or(Undone::Missing("SCIM token"))
    }

    /// Where the tenant's directories send what they have to say.
    #[must_use]
    pub fn scim_address(&self, acting: &Acting) -> String {
        format!("{}{}/scim/v2", self.tenancy.site(self.tenancy.home(&acting.tenant)).public_url, self.config.prefix)
    }

    /// Makes one; the secret cannot be shown again.
    pub async fn create_scim_token(&self, acting: &Acting, new: NewScimToken) -> Result<(ScimToken, Secret), Undone> {
        check_text("name", &new.name, LONGEST_NAME)?;
        let now = self.now();
        check_expiry(new.expires_at, now)?;
        match self.connection(acting, new.connection.as_str()).await {
            Err(Undone::Missing(_)) => {
                return Err(Undone::unfit("connection", format!("there is no connection {}", new.connection)));
            }
            found => found?,
        };
        let id = token::new_id()?;
        let (secret, digest) = token::new_scim_token(&id)?;
        let token = ScimToken {
            id,
            tenant: acting.tenant.clone(),
            connection: new.connection,
            name: new.name,
            digest,
            next: None,
            created_at: now,
            rotating_since: None,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.means.scim_tokens.create_scim_token(&token).await?;
        let what = ScimTokenCreated { connection: Some(token.connection.clone()), name: Some(token.name.clone()) };
        self.record(acting, &token.id, what).await?;
        Ok((token, secret))
    }

    /// Begins to exchange the secret: the new one works as well as the old, until one of the two is stopped.
    pub async fn start_scim_rotation(&self, acting: &Acting, id: &str) -> Result<(ScimToken, Secret), Undone> {
        let (secret, digest) = token::new_scim_token(id)?;
        Ok((self.rotate_scim_token(acting, id, Rotation::Start(digest), "start").await?, secret))
    }

    /// Stops the old secret.
    pub async fn complete_scim_rotation(&self, acting: &Acting, id: &str) -> Result<ScimToken, Undone> {
        self.rotate_scim_token(acting, id, Rotation::Complete, "complete").await
    }

    /// Stops the new secret.
    pub async fn cancel_scim_rotation(&self, acting: &Acting, id: &str) -> Result<ScimToken, Undone> {
        self.rotate_scim_token(acting, id, Rotation::Cancel, "cancel").await
    }

    async fn rotate_scim_token(
        &self,
        acting: &Acting,
        id: &str,
        rotation: Rotation,
        phase: &'static str,
    ) -> Result<ScimToken, Undone> {
        self.scim_token(acting, id).await?;
        let token = self.means.scim_tokens.rotate_scim_token(id, rotation).await.map_err(|error| match error {
            DirectoryError::Missing("rotation under way") => {
                Undone::Standing("there is no rotation of this token under way; start one".to_owned())
            }
            error => error.into(),
        })?;
        let what = ScimTokenRotated { connection: Some(token.connection.clone()), phase: Some(phase) };
        self.record(acting, id, what).await?;
        Ok(token)
    }

    /// Refuses it from now on, for ever. Says what it was before.
    pub async fn revoke_scim_token(&self, acting: &Acting, id: &str) -> Result<ScimToken, Undone> {
        let before = self.scim_token(acting, id).await?;
        if before.revoked_at.is_none() {
            self.means.scim_tokens.revoke_scim_token(id, self.now()).await?;
            let what = ScimTokenRevoked { connection: Some(before.connection.clone()), disabled: false };
            self.record(acting, id, what).await?;
        }
        Ok(before)
    }

    /// Revokes all tokens of a connection, one that is no more, too; says which were live.
    pub async fn disable_scim(&self, acting: &Acting, connection: &ConnectionId) -> Result<Vec<String>, Undone> {
        let revoked = self.means.scim_tokens.disable_scim(&acting.tenant, connection, self.now()).await?;
        for id in &revoked {
            let what = ScimTokenRevoked { connection: Some(connection.clone()), disabled: true };
            self.record(acting, id, what).await?;
        }
        Ok(revoked)
    }

    /// The last calls with it, newest first, without their secrets.
    pub async fn scim_calls(&self, acting: &Acting, id: &str, limit: u32) -> Result<Vec<ScimCall>, Undone> {
        self.scim_token(acting, id).await?;
        Ok(self.means.scim_tokens.scim_calls(id, limit).await?)
    }
}
