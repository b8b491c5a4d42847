//! Answers that may be asked for again: their rows and the statements about them.
//!
//! Refuses to keep them for longer than was said: whoever begins the next removes what is over.

use async_trait::async_trait;

use super::super::answers::{Answers, Begun};
use super::{DirectoryError, Outcome, SqlDirectory};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::db::{Connection, query};

#[async_trait]
impl Answers for SqlDirectory {
    async fn begin(&self, name: &Digest, asked: &Digest, now: Timestamp, until: Timestamp) -> Result<Begun, DirectoryError> {
        let (name, asked) = (*name, *asked);
        Ok(self.database.write(move |connection| Box::pin(begin(connection, name, asked, now, until))).await?)
    }

    async fn keep(&self, name: &Digest, sealed: &[u8], until: Timestamp) -> Result<(), DirectoryError> {
        let (name, sealed) = (*name, sealed.to_vec());
        Ok(self.database.write(move |connection| Box::pin(keep(connection, name, sealed, until))).await?)
    }

    async fn forget(&self, name: &Digest) -> Result<(), DirectoryError> {
        let name = *name;
        Ok(self.database.write(move |connection| Box::pin(forget(connection, name))).await?)
    }
}

async fn begin(connection: &mut Connection, name: Digest, asked: Digest, now: Timestamp, until: Timestamp) -> Outcome<Begun> {
    query("DELETE FROM answers WHERE expires_at <= $1").bind(now.millis()).execute(&mut *connection).await?;
    let taken = query("INSERT INTO answers (name, asked, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(name.as_bytes().as_slice())
        .bind(asked.as_bytes().as_slice())
        .bind(until.millis())
        .execute(&mut *connection)
        .await?;
    if taken == 1 {
        return Ok(Begun::Now);
    }
    let found: Option<(Vec<u8>, Option<Vec<u8>>)> = query("SELECT asked, sealed FROM answers WHERE name = $1")
        .bind(name.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    Ok(match found {
        Some((before, _)) if before != asked.as_bytes() => Begun::Other,
        Some((_, Some(sealed))) => Begun::Answered(sealed),
        // Gone since: whoever had it did not get it done, and this caller tries again.
        Some((_, None)) | None => Begun::Unanswered,
    })
}

async fn keep(connection: &mut Connection, name: Digest, sealed: Vec<u8>, until: Timestamp) -> Outcome<()> {
    query("UPDATE answers SET sealed = $2, expires_at = $3 WHERE name = $1 AND sealed IS NULL")
        .bind(name.as_bytes().as_slice())
        .bind(sealed)
        .bind(until.millis())
        .execute(connection)
        .await?;
    Ok(())
}

async fn forget(connection: &mut Connection, name: Digest) -> Outcome<()> {
    query("DELETE FROM answers WHERE name = $1 AND sealed IS NULL").bind(name.as_bytes().as_slice()).execute(connection).await?;
    Ok(())
}
