//! Tokens of directories' clients, and their last calls.
//!
//! Refuses to complete or cancel what was not begun, and to rotate what was revoked.

use async_trait::async_trait;

use super::super::DirectoryError;
use super::super::scim_tokens::{KEPT_CALLS, Rotation, ScimTokens};
use super::user::undecodable;
use super::{Outcome, SqlDirectory, refuse};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::db::{Connection, FromRow, Row, query};
use crate::model::{ConnectionId, ScimCall, ScimToken, TenantId};

struct Line(ScimToken);

impl FromRow for Line {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let perhaps = |column| row.try_get::<Option<i64>>(column).map(|at| at.map(Timestamp::from_millis));
        let digest = |bytes: Vec<u8>| bytes.try_into().map(Digest::from_bytes).map_err(|_| undecodable(NoDigest));
        Ok(Self(ScimToken {
            id: row.try_get("id")?,
            tenant: row.try_get::<String>("tenant")?.parse().map_err(undecodable)?,
            connection: row.try_get::<String>("connection")?.parse().map_err(undecodable)?,
            name: row.try_get("name")?,
            digest: digest(row.try_get("digest")?)?,
            next: row.try_get::<Option<Vec<u8>>>("next_digest")?.map(digest).transpose()?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            rotating_since: perhaps("rotating_since")?,
            expires_at: perhaps("expires_at")?,
            revoked_at: perhaps("revoked_at")?,
            last_used_at: perhaps("last_used_at")?,
        }))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a digest has 32 bytes")]
struct NoDigest;

struct Call(ScimCall);

impl FromRow for Call {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self(ScimCall {
            token: row.try_get("token")?,
            at: Timestamp::from_millis(row.try_get("at")?),
            method: row.try_get("method")?,
            target: row.try_get("target")?,
            status: row.try_get::<i64>("status")?.try_into().map_err(undecodable)?,
            took: row.try_get("took")?,
            request: row.try_get("request")?,
            response: row.try_get("response")?,
        }))
    }
}

#[async_trait]
impl ScimTokens for SqlDirectory {
    async fn create_scim_token(&self, token: &ScimToken) -> Result<(), DirectoryError> {
        let token = token.clone();
        Ok(self.database.write(move |connection| Box::pin(create(connection, token))).await?)
    }

    async fn scim_token(&self, id: &str) -> Result<Option<ScimToken>, DirectoryError> {
        let query = query("SELECT * FROM scim_tokens WHERE id = $1").bind(id);
        let found = self.database.read(query.fetch_optional(self.database.readers())).await?;
        Ok(found.map(|Line(token)| token))
    }

    async fn scim_tokens(&self, tenant: &TenantId) -> Result<Vec<ScimToken>, DirectoryError> {
        let query = query("SELECT * FROM scim_tokens WHERE tenant = $1 ORDER BY created_at DESC, id").bind(tenant.as_str());
        let found = self.database.read(query.fetch_all(self.database.readers())).await?;
        Ok(found.into_iter().map(|Line(token)| token).collect())
    }

    async fn rotate_scim_token(&self, id: &str, rotation: Rotation) -> Result<ScimToken, DirectoryError> {
        let (id, now) = (id.to_owned(), self.database.now());
        Ok(self.database.write(move |connection| Box::pin(rotate(connection, id, rotation, now))).await?)
    }

    async fn revoke_scim_token(&self, id: &str, at: Timestamp) -> Result<(), DirectoryError> {
        let id = id.to_owned();
        Ok(self.database.write(move |connection| Box::pin(revoke(connection, id, at))).await?)
    }

    async fn disable_scim(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        at: Timestamp,
    ) -> Result<Vec<String>, DirectoryError> {
        let (tenant, of) = (tenant.clone(), connection.clone());
        Ok(self.database.write(move |connection| Box::pin(disable(connection, tenant, of, at))).await?)
    }

    async fn record_scim_calls(&self, calls: &[ScimCall]) -> Result<(), DirectoryError> {
        let calls = calls.to_vec();
        Ok(self.database.write(move |connection| Box::pin(record(connection, calls))).await?)
    }

    async fn scim_calls(&self, token: &str, limit: u32) -> Result<Vec<ScimCall>, DirectoryError> {
        let query = query("SELECT * FROM scim_calls WHERE token = $1 ORDER BY number DESC LIMIT $2").bind(token).bind(limit);
        let found = self.database.read(query.fetch_all(self.database.readers())).await?;
        Ok(found.into_iter().map(|Call(call)| call).collect())
    }
}

async fn create(connection: &mut Connection, token: ScimToken) -> Outcome<()> {
    query(
        "INSERT INTO scim_tokens (id, tenant, connection, name, digest, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&token.id)
    .bind(token.tenant.as_str())
    .bind(token.connection.as_str())
    .bind(&token.name)
    .bind(token.digest.as_bytes().as_slice())
    .bind(token.created_at.millis())
    .bind(token.expires_at.map(Timestamp::millis))
    .execute(connection)
    .await?;
    Ok(())
}

async fn rotate(connection: &mut Connection, id: String, rotation: Rotation, now: Timestamp) -> Outcome<ScimToken> {
    let found = query("SELECT * FROM scim_tokens WHERE id = $1").bind(&id).for_update().fetch_optional(&mut *connection).await?;
    let Some(Line(mut token)) = found else { return refuse(DirectoryError::Missing("SCIM token")) };
    if token.revoked_at.is_some() {
        return refuse(DirectoryError::Revoked("SCIM token"));
    }
    match (rotation, token.next) {
        (Rotation::Start(new), _) => (token.next, token.rotating_since) = (Some(new), Some(now)),
        (Rotation::Complete, Some(new)) => (token.digest, token.next, token.rotating_since) = (new, None, None),
        (Rotation::Cancel, Some(_)) => (token.next, token.rotating_since) = (None, None),
        (_, None) => return refuse(DirectoryError::Missing("rotation under way")),
    }
    query("UPDATE scim_tokens SET digest = $2, next_digest = $3, rotating_since = $4 WHERE id = $1")
        .bind(&id)
        .bind(token.digest.as_bytes().as_slice())
        .bind(token.next.as_ref().map(|next| next.as_bytes().to_vec()))
        .bind(token.rotating_since.map(Timestamp::millis))
        .execute(connection)
        .await?;
    Ok(token)
}

async fn revoke(connection: &mut Connection, id: String, at: Timestamp) -> Outcome<()> {
    let done = query("UPDATE scim_tokens SET revoked_at = coalesce(revoked_at, $2), next_digest = NULL WHERE id = $1")
        .bind(id)
        .bind(at.millis())
        .execute(connection)
        .await?;
    if done == 0 { refuse(DirectoryError::Missing("SCIM token")) } else { Ok(()) }
}

async fn disable(connection: &mut Connection, tenant: TenantId, of: ConnectionId, at: Timestamp) -> Outcome<Vec<String>> {
    let live: Vec<String> =
        query("SELECT id FROM scim_tokens WHERE tenant = $1 AND connection = $2 AND revoked_at IS NULL ORDER BY id")
            .bind(tenant.as_str())
            .bind(of.as_str())
            .for_update()
            .fetch_all(&mut *connection)
            .await?;
    for id in &live {
        revoke(connection, id.clone(), at).await?;
    }
    Ok(live)
}

async fn record(connection: &mut Connection, calls: Vec<ScimCall>) -> Outcome<()> {
    let mut tokens: Vec<String> = calls.iter().map(|call| call.token.clone()).collect();
    tokens.sort();
    tokens.dedup();
    for token in &tokens {
        // One writer of a token's calls at a time, so that numbers are not given twice.
        let last_used = calls.iter().filter(|call| call.token == *token).map(|call| call.at.millis()).max();
        query("UPDATE scim_tokens SET last_used_at = CASE WHEN last_used_at > $2 THEN last_used_at ELSE $2 END WHERE id = $1")
            .bind(token)
            .bind(last_used.unwrap_or_default())
            .execute(&mut *connection)
            .await?;
        let newest: i64 = query("SELECT coalesce(max(number), 0) FROM scim_calls WHERE token = $1")
            .bind(token)
            .fetch_one(&mut *connection)
            .await?;
        let mut number = newest;
        for call in calls.iter().filter(|call| call.token == *token) {
            number += 1;
            write(connection, number, call).await?;
        }
        query("DELETE FROM scim_calls WHERE token = $1 AND number <= $2")
            .bind(token)
            .bind(number - i64::from(KEPT_CALLS))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn write(connection: &mut Connection, number: i64, call: &ScimCall) -> Outcome<()> {
    query(
        "INSERT INTO scim_calls (token, number, at, method, target, status, took, request, response) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&call.token)
    .bind(number)
    .bind(call.at.millis())
    .bind(&call.method)
    .bind(&call.target)
    .bind(i64::from(call.status))
    .bind(call.took)
    .bind(&call.request)
    .bind(&call.response)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the calls that name somebody who is erased, by any of these texts.
pub(super) async fn forget_calls(connection: &mut Connection, texts: impl Iterator<Item = String>) -> Outcome<()> {
    for text in texts {
        query(
            "DELETE FROM scim_calls WHERE replace(lower(target), $1, '') <> lower(target) \
             OR replace(lower(request), $1, '') <> lower(request) OR replace(lower(response), $1, '') <> lower(response)",
        )
        .bind(text.to_ascii_lowercase())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
