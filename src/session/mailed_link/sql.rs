//! Sign-ins by mail in a database, the same statements for either engine.
//!
//! Refuses to decide by two statements what one transaction must decide: a code is compared and counted while its row is locked.

use std::time::Duration;

use async_trait::async_trait;

use super::super::sql::{Outcome, digest_of, undecodable};
use super::super::{SessionStoreError, SqlSessions};
use super::{Asked, CodeTry, MailedLinks};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::db::{Connection, FromRow, Row, query};
use crate::model::{EmailAddress, MailedLink};

const LATELY: Duration = Duration::from_secs(15 * 60);
const TODAY: Duration = Duration::from_secs(24 * 3600);

struct Stored(MailedLink);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self(MailedLink {
            attempt: digest_of(row.try_get("attempt")?)?,
            token: digest_of(row.try_get("token")?)?,
            code: digest_of(row.try_get("code")?)?,
            connection: row.try_get::<String>("connection")?.parse().map_err(undecodable)?,
            address: row.try_get::<String>("address")?.parse().map_err(undecodable)?,
            tries_left: row.try_get::<i64>("tries_left")?.try_into().map_err(undecodable)?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
            used_at: row.try_get::<Option<i64>>("used_at")?.map(Timestamp::from_millis),
        }))
    }
}

#[async_trait]
impl MailedLinks for SqlSessions {
    async fn keep(&self, link: &MailedLink) -> Result<Asked, SessionStoreError> {
        let link = link.clone();
        Ok(self.database().write(|connection| Box::pin(keep(connection, link))).await?)
    }

    async fn of_attempt(&self, attempt: &Digest) -> Result<Option<MailedLink>, SessionStoreError> {
        let query = query("SELECT * FROM mailed_links WHERE attempt = $1").bind(attempt.as_bytes().as_slice());
        let found = self.database().read(query.fetch_optional(self.database().readers())).await?;
        Ok(found.map(|Stored(link)| link))
    }

    async fn of_token(&self, token: &Digest) -> Result<Option<MailedLink>, SessionStoreError> {
        let query = query("SELECT * FROM mailed_links WHERE token = $1").bind(token.as_bytes().as_slice());
        let found = self.database().read(query.fetch_optional(self.database().readers())).await?;
        Ok(found.map(|Stored(link)| link))
    }

    async fn follow(&self, token: &Digest, attempt: &Digest, at: Timestamp) -> Result<Option<MailedLink>, SessionStoreError> {
        let (token, attempt) = (*token, *attempt);
        Ok(self.database().write(move |connection| Box::pin(follow(connection, token, attempt, at))).await?)
    }

    async fn try_code(&self, attempt: &Digest, code: &Digest, at: Timestamp) -> Result<CodeTry, SessionStoreError> {
        let (attempt, code) = (*attempt, *code);
        Ok(self.database().write(move |connection| Box::pin(try_code(connection, attempt, code, at))).await?)
    }

    async fn forget_address(&self, address: &EmailAddress) -> Result<u64, SessionStoreError> {
        let address = address.folded();
        Ok(self.database().write(move |connection| Box::pin(forget_address(connection, address))).await?)
    }

    async fn purge_links(&self, before: Timestamp) -> Result<u64, SessionStoreError> {
        Ok(self.database().write(move |connection| Box::pin(purge(connection, before))).await?)
    }
}

async fn keep(connection: &mut Connection, link: MailedLink) -> Outcome<Asked> {
    query(
        "INSERT INTO mailed_links (attempt, token, code, connection, address, tries_left, created_at, expires_at, used_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(link.attempt.as_bytes().as_slice())
    .bind(link.token.as_bytes().as_slice())
    .bind(link.code.as_bytes().as_slice())
    .bind(link.connection.as_str())
    .bind(link.address.as_str())
    .bind(link.tries_left)
    .bind(link.created_at.millis())
    .bind(link.expires_at.millis())
    .bind(link.used_at.map(Timestamp::millis))
    .execute(&mut *connection)
    .await?;
    let (lately, today): (i64, i64) = query(
        "SELECT count(*) FILTER (WHERE created_at > $3), count(*) FROM mailed_links \
         WHERE connection = $1 AND address = $2 AND created_at > $4",
    )
    .bind(link.connection.as_str())
    .bind(link.address.as_str())
    .bind(link.created_at.before(LATELY).millis())
    .bind(link.created_at.before(TODAY).millis())
    .fetch_one(connection)
    .await?;
    let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Asked { lately: number(lately), today: number(today) })
}

async fn follow(connection: &mut Connection, token: Digest, attempt: Digest, at: Timestamp) -> Outcome<Option<MailedLink>> {
    let used = query(
        "UPDATE mailed_links SET used_at = $3 WHERE token = $1 AND attempt = $2 \
         AND used_at IS NULL AND tries_left > 0 AND expires_at > $3 RETURNING *",
    )
    .bind(token.as_bytes().as_slice())
    .bind(attempt.as_bytes().as_slice())
    .bind(at.millis())
    .fetch_optional(connection)
    .await?;
    Ok(used.map(|Stored(link)| link))
}

async fn try_code(connection: &mut Connection, attempt: Digest, code: Digest, at: Timestamp) -> Outcome<CodeTry> {
    let found: Option<Stored> = query("SELECT * FROM mailed_links WHERE attempt = $1")
        .bind(attempt.as_bytes().as_slice())
        .for_update()
        .fetch_optional(&mut *connection)
        .await?;
    let Some(Stored(mut link)) = found.filter(|Stored(link)| link.is_open(at)) else { return Ok(CodeTry::Closed) };
    let right = link.code == code;
    if right {
        link.used_at = Some(at);
    } else {
        link.tries_left -= 1;
    }
    query("UPDATE mailed_links SET used_at = $2, tries_left = $3 WHERE attempt = $1")
        .bind(attempt.as_bytes().as_slice())
        .bind(link.used_at.map(Timestamp::millis))
        .bind(link.tries_left)
        .execute(connection)
        .await?;
    Ok(if right { CodeTry::Right(link) } else { CodeTry::Wrong { left: link.tries_left } })
}

async fn forget_address(connection: &mut Connection, address: String) -> Outcome<u64> {
    Ok(query("DELETE FROM mailed_links WHERE lower(address) = $1").bind(address).execute(connection).await?)
}

async fn purge(connection: &mut Connection, before: Timestamp) -> Outcome<u64> {
    let gone = query("DELETE FROM mailed_links WHERE created_at < $1").bind(before.millis()).execute(connection).await?;
    Ok(gone)
}
