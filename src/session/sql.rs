//! Sessions in a database, the same statements for either engine.
//!
//! Refuses to touch what has ended: every later write says `revoked_at IS NULL`, because an ended session must stay ended.

use async_trait::async_trait;
use sqlx::AssertSqlSafe;

use super::{Once, Overdue, SealedTokens, SessionFilter, SessionStore, SessionStoreError};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::db::{Connection, Database, Failure, FromRow, Json, Row, changes, list, query};
use crate::model::{Change, ProviderLogout, Session, SessionHandle, TenantId, UserId};

/// What one transaction of a purge removes of each kind, so that none takes so long that it is given up, now and at every later try.
pub(super) const PURGED_AT_ONCE: u32 = 1000;
/// Sessions that are told of together.
const OVERDUE_AT_ONCE: u32 = 500;

/// Sessions and one-time values in a database.
#[derive(Clone, Debug)]
pub struct SqlSessions {
    database: Database,
}

impl SqlSessions {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) const fn database(&self) -> &Database {
        &self.database
    }
}

pub(super) type Outcome<T> = Result<T, Failure<SessionStoreError>>;

impl From<Failure<Self>> for SessionStoreError {
    fn from(failure: Failure<Self>) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Unavailable(error) => error.into(),
        }
    }
}

struct Stored(Session);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let moment = |column| row.try_get(column).map(Timestamp::from_millis);
        Ok(Self(Session {
            handle: SessionHandle(row.try_get("handle")?),
            digest: digest_of(row.try_get("digest")?)?,
            tenant: row.try_get::<String>("tenant")?.parse().map_err(undecodable)?,
            user: row.try_get::<String>("user")?.parse().map_err(undecodable)?,
            connection: row.try_get::<String>("connection")?.parse().map_err(undecodable)?,
            amr: row.try_get::<Json<_>>("amr")?.0,
            acr: row.try_get("acr")?,
            authenticated_at: moment("authenticated_at")?,
            created_at: moment("created_at")?,
            last_seen_at: moment("last_seen_at")?,
            expires_at: moment("expires_at")?,
            revoked_at: row.try_get::<Option<i64>>("revoked_at")?.map(Timestamp::from_millis),
            provider_session: row.try_get("provider_session")?,
            provider_subject: row.try_get("provider_subject")?,
            sealed_tokens: row.try_get("sealed_tokens")?,
            tokens_version: row.try_get("tokens_version")?,
            refresh_at: row.try_get::<Option<i64>>("refresh_at")?.map(Timestamp::from_millis),
            client_address: row.try_get("client_address")?,
            user_agent: row.try_get("user_agent")?,
        }))
    }
}

pub(super) fn undecodable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

pub(super) fn digest_of(bytes: &[u8]) -> Result<Digest, sqlx::Error> {
    bytes.try_into().map(Digest::from_bytes).map_err(undecodable)
}

#[async_trait]
impl SessionStore for SqlSessions {
    async fn create(&self, session: &Session) -> Result<(), SessionStoreError> {
        let session = session.clone();
        Ok(self.database.write(|connection| Box::pin(create(connection, session))).await?)
    }

    async fn find(&self, digest: &Digest) -> Result<Option<Session>, SessionStoreError> {
        let query = query("SELECT * FROM sessions WHERE digest = $1").bind(digest.as_bytes().as_slice());
        let found = self.database.read(query.fetch_optional(self.database.readers())).await?;
        Ok(found.map(|Stored(session)| session))
    }

    async fn find_handle(&self, handle: &SessionHandle) -> Result<Option<Session>, SessionStoreError> {
        let query = query("SELECT * FROM sessions WHERE handle = $1").bind(&handle.0);
        let found = self.database.read(query.fetch_optional(self.database.readers())).await?;
        Ok(found.map(|Stored(session)| session))
    }

    async fn touch(&self, seen: &[(Digest, Timestamp)]) -> Result<(), SessionStoreError> {
        let seen = seen.to_vec();
        Ok(self.database.write(|connection| Box::pin(touch(connection, seen))).await?)
    }

    async fn end(&self, handle: &SessionHandle, at: Timestamp) -> Result<bool, SessionStoreError> {
        let handle = handle.clone();
        Ok(self.database.write(move |connection| Box::pin(end(connection, handle, at))).await?)
    }

    async fn end_all_of(&self, users: &[UserId], at: Timestamp) -> Result<u64, SessionStoreError> {
        let users = users.to_vec();
        Ok(self.database.write(move |connection| Box::pin(end_all(connection, users, at))).await?)
    }

    async fn forget_user(&self, user: UserId, at: Timestamp) -> Result<u64, SessionStoreError> {
        Ok(self.database.write(move |connection| Box::pin(forget_user(connection, user, at))).await?)
    }

    async fn end_named(
        &self,
        logouts: &[ProviderLogout],
        once: Option<&Once>,
        at: Timestamp,
    ) -> Result<Option<Vec<Session>>, SessionStoreError> {
        let (logouts, once) = (logouts.to_vec(), once.cloned());
        Ok(self.database.write(move |connection| Box::pin(end_named_once(connection, logouts, once, at))).await?)
    }

    async fn lease_refresh(&self, digest: &Digest, now: Timestamp, until: Timestamp) -> Result<bool, SessionStoreError> {
        let digest = *digest;
        Ok(self.database.write(move |connection| Box::pin(lease_refresh(connection, digest, now, until))).await?)
    }

    async fn replace_tokens(
        &self,
        digest: &Digest,
        seen: i64,
        tokens: &SealedTokens,
        at: Timestamp,
    ) -> Result<bool, SessionStoreError> {
        let (digest, tokens) = (*digest, tokens.clone());
        Ok(self.database.write(move |connection| Box::pin(replace_tokens(connection, digest, seen, tokens, at))).await?)
    }

    async fn list(&self, filter: &SessionFilter, now: Timestamp) -> Result<Vec<Session>, SessionStoreError> {
        // Two texts, so that a person's own list does not look at everybody's.
        let query = query(match filter.user {
            Some(_) => {
                "SELECT * FROM sessions WHERE revoked_at IS NULL AND expires_at > $1 AND \"user\" = $2 \
                 AND ($3 IS NULL OR tenant = $3) AND ($4 IS NULL OR last_seen_at > $4) ORDER BY created_at DESC, handle LIMIT $5"
            }
            None => {
                "SELECT * FROM sessions WHERE revoked_at IS NULL AND expires_at > $1 AND $2 IS NULL \
                 AND ($3 IS NULL OR tenant = $3) AND ($4 IS NULL OR last_seen_at > $4) ORDER BY created_at DESC, handle LIMIT $5"
            }
        })
        .bind(now.millis())
        .bind(filter.user.map(|user| user.to_string()))
        .bind(filter.tenant.as_ref().map(TenantId::as_str))
        .bind(filter.seen_after.map(Timestamp::millis))
        .bind(filter.limit);
        let found = self.database.read(query.fetch_all(self.database.readers())).await?;
        Ok(found.into_iter().map(|Stored(session)| session).collect())
    }

    async fn take_once(&self, purpose: &str, token: &Digest, expires_at: Timestamp) -> Result<bool, SessionStoreError> {
        let (purpose, token) = (purpose.to_owned(), *token);
        Ok(self.database.write(move |connection| Box::pin(take_once(connection, purpose, token, expires_at))).await?)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, SessionStoreError> {
        let mut all = 0;
        loop {
            let (gone, is_all) = self.database.write(move |connection| Box::pin(purge(connection, before))).await?;
            all += gone;
            if is_all {
                return Ok(all);
            }
        }
    }

    async fn overdue(&self, over: Overdue, from: Option<String>) -> Result<(Vec<Session>, Option<String>), SessionStoreError> {
        let query = query(
            "SELECT * FROM (SELECT sessions.*, CASE WHEN expires_at < last_seen_at + $1 THEN expires_at ELSE last_seen_at + $1 END \
             AS ended_at FROM sessions WHERE revoked_at IS NULL AND handle > $2) AS each \
             WHERE ended_at > $3 AND ended_at <= $4 ORDER BY handle LIMIT $5",
        )
        .bind(i64::try_from(over.idle.as_millis()).unwrap_or(i64::MAX / 2))
        .bind(from.unwrap_or_default())
        .bind(over.after.millis())
        .bind(over.until.millis())
        .bind(OVERDUE_AT_ONCE);
        let found = self.database.read(query.fetch_all(self.database.readers())).await?;
        let found: Vec<Session> = found.into_iter().map(|Stored(session)| session).collect();
        let is_full = found.len() == OVERDUE_AT_ONCE as usize;
        let next = found.last().filter(|_| is_full).map(|last| last.handle.0.clone());
        Ok((found, next))
    }

    async fn count(&self, now: Timestamp) -> Result<u64, SessionStoreError> {
        let query = query("SELECT count(*) FROM sessions WHERE revoked_at IS NULL AND expires_at > $1").bind(now.millis());
        let live: i64 = self.database.read(query.fetch_one(self.database.readers())).await?;
        Ok(live.unsigned_abs())
    }
}

async fn create(connection: &mut Connection, session: Session) -> Outcome<()> {
    query(
        "INSERT INTO sessions (digest, handle, tenant, \"user\", connection, amr, acr, authenticated_at, created_at, last_seen_at, \
         expires_at, revoked_at, provider_session, provider_subject, sealed_tokens, tokens_version, refresh_at, client_address, \
         user_agent) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    )
    .bind(session.digest.as_bytes().as_slice())
    .bind(session.handle.0)
    .bind(session.tenant.as_str())
    .bind(session.user.to_string())
    .bind(session.connection.as_str())
    .bind(Json(session.amr))
    .bind(session.acr)
    .bind(session.authenticated_at.millis())
    .bind(session.created_at.millis())
    .bind(session.last_seen_at.millis())
    .bind(session.expires_at.millis())
    .bind(session.revoked_at.map(Timestamp::millis))
    .bind(session.provider_session)
    .bind(session.provider_subject)
    .bind(session.sealed_tokens)
    .bind(session.tokens_version)
    .bind(session.refresh_at.map(Timestamp::millis))
    .bind(session.client_address)
    .bind(session.user_agent)
    .execute(connection)
    .await?;
    Ok(())
}

async fn touch(connection: &mut Connection, mut seen: Vec<(Digest, Timestamp)>) -> Outcome<()> {
    // In one order on every replica, so that none waits for another that waits for it.
    seen.sort_unstable_by_key(|(digest, _)| *digest.as_bytes());
    for (digest, at) in seen {
        query("UPDATE sessions SET last_seen_at = $2 WHERE digest = $1 AND last_seen_at < $2 AND revoked_at IS NULL")
            .bind(digest.as_bytes().as_slice())
            .bind(at.millis())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn end(connection: &mut Connection, handle: SessionHandle, at: Timestamp) -> Outcome<bool> {
    let ended: Option<(Vec<u8>, i64)> =
        query("UPDATE sessions SET revoked_at = $2 WHERE handle = $1 AND revoked_at IS NULL RETURNING digest, expires_at")
            .bind(handle.0)
            .bind(at.millis())
            .fetch_optional(&mut *connection)
            .await?;
    let Some((digest, expires_at)) = ended else { return Ok(false) };
    changes::announce(connection, &Change::Session(digest_of(&digest)?), at).await?;
    Ok(expires_at > at.millis())
}

async fn end_all(connection: &mut Connection, users: Vec<UserId>, at: Timestamp) -> Outcome<u64> {
    // In one order on every replica, so that none waits for another that waits for it; most who are put out have no session.
    let whose = format!("\"user\" IN ({}) AND revoked_at IS NULL", list(1, users.len()));
    let of = |text: String| users.iter().fold(query(AssertSqlSafe(text)), |query, user| query.bind(user.to_string()));
    if users.is_empty() {
        return Ok(0);
    }
    let locked = of(format!("SELECT digest FROM sessions WHERE {whose} ORDER BY digest")).for_update();
    if locked.fetch_all::<Vec<u8>>(&mut *connection).await?.is_empty() {
        return Ok(0);
    }
    let at_place = users.len() + 1;
    let ended: Vec<(Vec<u8>, i64)> =
        of(format!("UPDATE sessions SET revoked_at = ${at_place} WHERE {whose} RETURNING digest, expires_at"))
            .bind(at.millis())
            .fetch_all(&mut *connection)
            .await?;
    let mut live = 0;
    for (digest, expires_at) in ended {
        changes::announce(connection, &Change::Session(digest_of(&digest)?), at).await?;
        live += u64::from(expires_at > at.millis());
    }
    Ok(live)
}

async fn forget_user(connection: &mut Connection, user: UserId, at: Timestamp) -> Outcome<u64> {
    let live = end_all(connection, vec![user], at).await?;
    query(
        "UPDATE sessions SET provider_session = NULL, provider_subject = NULL, sealed_tokens = NULL, refresh_at = NULL, \
         client_address = NULL, user_agent = NULL WHERE \"user\" = $1",
    )
    .bind(user.to_string())
    .execute(connection)
    .await?;
    Ok(live)
}

async fn end_named_once(
    connection: &mut Connection,
    logouts: Vec<ProviderLogout>,
    once: Option<Once>,
    at: Timestamp,
) -> Outcome<Option<Vec<Session>>> {
    if let Some(Once { purpose, token, expires_at }) = once
        && !take_once(connection, purpose.to_owned(), token, expires_at).await?
    {
        return Ok(None);
    }
    let mut ended = Vec::new();
    for logout in logouts {
        ended.extend(end_named(connection, logout, at).await?);
    }
    Ok(Some(ended))
}

async fn end_named(connection: &mut Connection, logout: ProviderLogout, at: Timestamp) -> Outcome<Vec<Session>> {
    // Two texts, so that each finds its index.
    let text = match (&logout.session, &logout.subject) {
        (Some(_), _) => {
            "UPDATE sessions SET revoked_at = $4 WHERE connection = $1 AND provider_session = $2 \
             AND ($3 IS NULL OR provider_subject = $3) AND tenant = $5 AND revoked_at IS NULL RETURNING *"
        }
        (None, Some(_)) => {
            "UPDATE sessions SET revoked_at = $4 WHERE connection = $1 AND $2 IS NULL AND provider_subject = $3 \
             AND tenant = $5 AND revoked_at IS NULL RETURNING *"
        }
        (None, None) => return Ok(Vec::new()),
    };
    let ended: Vec<Stored> = query(text)
        .bind(logout.connection.as_str().to_owned())
        .bind(logout.session)
        .bind(logout.subject)
        .bind(at.millis())
        .bind(logout.tenant.as_str().to_owned())
        .fetch_all(&mut *connection)
        .await?;
    for Stored(session) in &ended {
        changes::announce(connection, &Change::Session(session.digest), at).await?;
    }
    Ok(ended.into_iter().map(|Stored(session)| session).filter(|session| session.expires_at > at).collect())
}

async fn lease_refresh(connection: &mut Connection, digest: Digest, now: Timestamp, until: Timestamp) -> Outcome<bool> {
    let leased = query(
        "UPDATE sessions SET refresh_leased_until = $3 WHERE digest = $1 AND revoked_at IS NULL AND expires_at > $2 \
         AND refresh_at <= $2 AND refresh_leased_until <= $2",
    )
    .bind(digest.as_bytes().as_slice())
    .bind(now.millis())
    .bind(until.millis())
    .execute(connection)
    .await?;
    Ok(leased == 1)
}

async fn replace_tokens(
    connection: &mut Connection,
    digest: Digest,
    seen: i64,
    tokens: SealedTokens,
    at: Timestamp,
) -> Outcome<bool> {
    let replaced = query(
        "UPDATE sessions SET sealed_tokens = $3, refresh_at = $4, tokens_version = tokens_version + 1, refresh_leased_until = 0 \
         WHERE digest = $1 AND tokens_version = $2 AND revoked_at IS NULL",
    )
    .bind(digest.as_bytes().as_slice())
    .bind(seen)
    .bind(tokens.sealed)
    .bind(tokens.refresh_at.map(Timestamp::millis))
    .execute(&mut *connection)
    .await?;
    if replaced == 0 {
        return Ok(false);
    }
    changes::announce(connection, &Change::Session(digest), at).await?;
    Ok(true)
}

async fn take_once(connection: &mut Connection, purpose: String, token: Digest, expires_at: Timestamp) -> Outcome<bool> {
    let inserted = query("INSERT INTO once (purpose, token, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(purpose)
        .bind(token.as_bytes().as_slice())
        .bind(expires_at.millis())
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

/// Removes some of each kind; says how many sessions went, and whether that was all.
async fn purge(connection: &mut Connection, before: Timestamp) -> Outcome<(u64, bool)> {
    let some = |text| query(text).bind(before.millis()).bind(PURGED_AT_ONCE);
    let values =
        some("DELETE FROM once WHERE (purpose, token) IN (SELECT purpose, token FROM once WHERE expires_at < $1 LIMIT $2)")
            .execute(&mut *connection)
            .await?;
    let sessions = some("DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE expires_at < $1 LIMIT $2)")
        .execute(connection)
        .await?;
    Ok((sessions, values.max(sessions) < u64::from(PURGED_AT_ONCE)))
}
