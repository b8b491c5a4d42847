//! Invitations: their rows and the statements about them.
//!
//! Refuses to use one up without making the account, and the other way round.

use async_trait::async_trait;

use super::super::invitations::Invitations;
use super::super::{DirectoryError, SqlDirectory};
use super::user::{self, undecodable};
use super::{Outcome, refuse};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::db::{Connection, FromRow, Json, Row, query};
use crate::model::{ConnectionId, EmailAddress, Invitation, InvitationId, TenantId, User};

/// How many others may invite the same person while one does.
const AT_ONCE: usize = 64;

struct Stored(Invitation);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let moment = |column| row.try_get(column).map(Timestamp::from_millis);
        let perhaps = |column| row.try_get::<Option<i64>>(column).map(|at| at.map(Timestamp::from_millis));
        let token: [u8; 32] = row.try_get::<&[u8]>("token")?.try_into().map_err(undecodable)?;
        Ok(Self(Invitation {
            id: InvitationId(row.try_get("id")?),
            tenant: row.try_get::<String>("tenant")?.parse().map_err(undecodable)?,
            address: row.try_get::<String>("address")?.parse().map_err(undecodable)?,
            connection: row.try_get::<String>("connection")?.parse().map_err(undecodable)?,
            roles: row.try_get::<Json<_>>("roles")?.0,
            invited_by: row.try_get("invited_by")?,
            token: Digest::from_bytes(token),
            created_at: moment("created_at")?,
            expires_at: moment("expires_at")?,
            accepted_at: perhaps("accepted_at")?,
            used_at: perhaps("used_at")?,
            revoked_at: perhaps("revoked_at")?,
        }))
    }
}

#[async_trait]
impl Invitations for SqlDirectory {
    async fn invite(&self, invitation: &Invitation) -> Result<(), DirectoryError> {
        let invitation = invitation.clone();
        Ok(self.database.write(|connection| Box::pin(invite(connection, invitation))).await?)
    }

    async fn invitation(&self, token: &Digest) -> Result<Option<Invitation>, DirectoryError> {
        let query = query("SELECT * FROM invitations WHERE token = $1").bind(token.as_bytes().as_slice());
        let found = self.database.read(query.fetch_optional(self.database.readers())).await?;
        Ok(found.map(|Stored(invitation)| invitation))
    }

    async fn invitation_for(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        address: &EmailAddress,
    ) -> Result<Option<Invitation>, DirectoryError> {
        let query = query(
            "SELECT * FROM invitations WHERE tenant = $1 AND connection = $2 AND address = $3 \
             AND used_at IS NULL AND revoked_at IS NULL",
        )
        .bind(tenant.as_str())
        .bind(connection.as_str())
        .bind(address.folded());
        let found = self.database.read(query.fetch_optional(self.database.readers())).await?;
        Ok(found.map(|Stored(invitation)| invitation))
    }

    async fn invitations(&self, tenant: &TenantId) -> Result<Vec<Invitation>, DirectoryError> {
        let query = query("SELECT * FROM invitations WHERE tenant = $1 ORDER BY created_at DESC, id").bind(tenant.as_str());
        let found = self.database.read(query.fetch_all(self.database.readers())).await?;
        Ok(found.into_iter().map(|Stored(invitation)| invitation).collect())
    }

    async fn accept(&self, token: &Digest, at: Timestamp) -> Result<bool, DirectoryError> {
        let token = *token;
        Ok(self.database.write(move |connection| Box::pin(accept(connection, token, at))).await?)
    }

    async fn take_up(&self, id: &InvitationId, user: &User, at: Timestamp) -> Result<(), DirectoryError> {
        let (id, user) = (id.clone(), user.clone());
        Ok(self.database.write(move |connection| Box::pin(take_up(connection, id, user, at))).await?)
    }

    async fn revoke_invitation(&self, tenant: &TenantId, id: &InvitationId, at: Timestamp) -> Result<bool, DirectoryError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        Ok(self.database.write(move |connection| Box::pin(revoke(connection, tenant, id, at))).await?)
    }
}

/// The newest counts. Who invites the same person at the same moment has not been seen yet when the open invitation is looked for; once they
/// have been waited for, they are, and theirs was the earlier one.
async fn invite(connection: &mut Connection, invitation: Invitation) -> Outcome<()> {
    for _ in 0..AT_ONCE {
        replace_open(connection, &invitation).await?;
        if insert(connection, &invitation).await? {
            return Ok(());
        }
    }
    refuse(DirectoryError::Stale("invitation"))
}

async fn replace_open(connection: &mut Connection, invitation: &Invitation) -> Outcome<()> {
    query(
        "UPDATE invitations SET revoked_at = $4 WHERE tenant = $1 AND connection = $2 AND address = $3 \
         AND used_at IS NULL AND revoked_at IS NULL",
    )
    .bind(invitation.tenant.as_str())
    .bind(invitation.connection.as_str())
    .bind(invitation.address.folded())
    .bind(invitation.created_at.millis())
    .execute(connection)
    .await?;
    Ok(())
}

/// Says whether no other is open.
async fn insert(connection: &mut Connection, invitation: &Invitation) -> Outcome<bool> {
    let inserted = query(
        "INSERT INTO invitations (id, tenant, address, connection, roles, invited_by, token, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (tenant, connection, address) WHERE used_at IS NULL AND revoked_at IS NULL DO NOTHING",
    )
    .bind(&invitation.id.0)
    .bind(invitation.tenant.as_str())
    .bind(invitation.address.folded())
    .bind(invitation.connection.as_str())
    .bind(Json(&invitation.roles))
    .bind(&invitation.invited_by)
    .bind(invitation.token.as_bytes().as_slice())
    .bind(invitation.created_at.millis())
    .bind(invitation.expires_at.millis())
    .execute(connection)
    .await?;
    Ok(inserted == 1)
}

async fn accept(connection: &mut Connection, token: Digest, at: Timestamp) -> Outcome<bool> {
    let done = query(
        "UPDATE invitations SET accepted_at = coalesce(accepted_at, $2) \
         WHERE token = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $2",
    )
    .bind(token.as_bytes().as_slice())
    .bind(at.millis())
    .execute(connection)
    .await?;
    Ok(done == 1)
}

async fn take_up(connection: &mut Connection, id: InvitationId, user: User, at: Timestamp) -> Outcome<()> {
    let used =
        query("UPDATE invitations SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $2")
            .bind(&id.0)
            .bind(at.millis())
            .execute(&mut *connection)
            .await?;
    if used == 0 {
        return refuse(DirectoryError::Missing("invitation"));
    }
    user::create(connection, user).await
}

async fn revoke(connection: &mut Connection, tenant: TenantId, id: InvitationId, at: Timestamp) -> Outcome<bool> {
    let done =
        query("UPDATE invitations SET revoked_at = $3 WHERE tenant = $1 AND id = $2 AND used_at IS NULL AND revoked_at IS NULL")
            .bind(tenant.as_str())
            .bind(&id.0)
            .bind(at.millis())
            .execute(connection)
            .await?;
    Ok(done == 1)
}
