//! Sessions on a Valkey or Redis server.
//!
//! Refuses to decide here what others may decide at the same time: each change is one script, so that no late write brings an ended
//! session back and no list disagrees with what it lists.

mod record;
mod script;

use std::time::Duration;

use async_trait::async_trait;
use redis::{FromRedisValue, ToRedisArgs, cmd};

use self::record::Fields;
use super::{Once, Overdue, SealedTokens, SessionFilter, SessionStore, SessionStoreError};
use crate::clock::{SharedClock, Timestamp};
use crate::crypto::Digest;
use crate::model::{Change, ProviderLogout, Session, SessionHandle, UserId};
use crate::valkey::{PREFIX, Unavailable, Valkey};

/// How long a session is kept after it expired if nobody purges it, so that its tombstone outlives whatever remembers it.
const TOMBSTONE: Duration = Duration::from_secs(48 * 3600);
/// How long a one-time value is kept after its end, so that replicas whose clocks differ agree.
const GRACE: Duration = Duration::from_secs(3600);
/// What one script of a purge may look at, so that no purge keeps others waiting.
const PURGED_AT_ONCE: u64 = 500;

/// Sessions and one-time values on a server.
#[derive(Clone, Debug)]
pub struct ValkeySessions {
    server: Valkey,
    clock: SharedClock,
}

/// A session with this id or handle is there already.
#[derive(Debug, thiserror::Error)]
#[error("a session's id is taken once")]
struct Taken;

impl From<Unavailable> for SessionStoreError {
    fn from(error: Unavailable) -> Self {
        Self(Box::new(error))
    }
}

impl From<record::Unreadable> for SessionStoreError {
    fn from(error: record::Unreadable) -> Self {
        Self(Box::new(error))
    }
}

impl ValkeySessions {
    #[must_use]
    pub fn new(server: Valkey, clock: SharedClock) -> Self {
        Self { server, clock }
    }

    /// Milliseconds for which what ends at `end` has to be kept, with `more` after it. By our own clock, which need not be the server's.
    fn span(&self, end: Timestamp, more: Duration) -> i64 {
        let now = self.clock.now();
        end.max(now).after(more).millis() - now.millis()
    }

    /// What `script` answers. This process has forgotten the sessions that it changed before anybody hears that it did.
    async fn change<T: FromRedisValue>(&self, script: &str, arguments: impl ToRedisArgs) -> Result<T, SessionStoreError> {
        let (answer, changed): (T, Vec<String>) = self.server.change(script::run(script, arguments)).await?;
        for digest in changed {
            let change = Digest::from_hex(&digest).map_or(Change::Everything, Change::Session);
            self.server.listeners().tell(&change);
        }
        Ok(answer)
    }

    async fn is_done(&self, script: &str, arguments: &[&str]) -> Result<bool, SessionStoreError> {
        Ok(self.change::<i64>(script, arguments).await? == 1)
    }
}

fn millis(moment: Timestamp) -> String {
    moment.millis().to_string()
}

fn once_key(purpose: &str, token: &Digest) -> String {
    format!("{PREFIX}once:{purpose}:{}", token.to_hex())
}

fn read_all(found: Vec<Fields>) -> Result<Vec<Session>, SessionStoreError> {
    found.into_iter().map(|fields| record::read(fields).map_err(SessionStoreError::from)).collect()
}

#[async_trait]
impl SessionStore for ValkeySessions {
    async fn create(&self, session: &Session) -> Result<(), SessionStoreError> {
        let span = self.span(session.expires_at, TOMBSTONE).to_string();
        let head =
            [session.digest.to_hex(), session.handle.0.clone(), span, millis(session.created_at), millis(session.expires_at)];
        let mut arguments: Vec<Vec<u8>> = head.map(String::into_bytes).into();
        arguments.extend(record::write(session));
        let created: i64 = self.change(script::CREATE, &arguments).await?;
        if created == 1 { Ok(()) } else { Err(SessionStoreError(Box::new(Taken))) }
    }

    async fn find(&self, digest: &Digest) -> Result<Option<Session>, SessionStoreError> {
        let key = format!("{PREFIX}session:{}", digest.to_hex());
        let fields: Fields = self.server.ask(cmd("HGETALL").arg(key)).await?;
        Ok(if fields.is_empty() { None } else { Some(record::read(fields)?) })
    }

    async fn find_handle(&self, handle: &SessionHandle) -> Result<Option<Session>, SessionStoreError> {
        let (fields, _): (Fields, Vec<String>) = self.server.ask(&script::run(script::FIND_HANDLE, &[&handle.0])).await?;
        Ok(if fields.is_empty() { None } else { Some(record::read(fields)?) })
    }

    async fn touch(&self, seen: &[(Digest, Timestamp)]) -> Result<(), SessionStoreError> {
        let arguments: Vec<String> = seen.iter().flat_map(|(digest, at)| [digest.to_hex(), millis(*at)]).collect();
        self.change::<i64>(script::TOUCH, &arguments).await?;
        Ok(())
    }

    async fn end(&self, handle: &SessionHandle, at: Timestamp) -> Result<bool, SessionStoreError> {
        self.is_done(script::END, &[&handle.0, &millis(at)]).await
    }

    async fn end_all_of(&self, users: &[UserId], at: Timestamp) -> Result<u64, SessionStoreError> {
        let mut arguments = vec![millis(at)];
        arguments.extend(users.iter().map(ToString::to_string));
        self.change(script::END_ALL, &arguments).await
    }

    async fn forget_user(&self, user: UserId, at: Timestamp) -> Result<u64, SessionStoreError> {
        self.change(script::FORGET_USER, &[user.to_string(), millis(at)]).await
    }

    async fn end_named(
        &self,
        logouts: &[ProviderLogout],
        once: Option<&Once>,
        at: Timestamp,
    ) -> Result<Option<Vec<Session>>, SessionStoreError> {
        let mut arguments = vec![millis(at)];
        arguments.extend(match once {
            Some(Once { purpose, token, expires_at }) => {
                [once_key(purpose, token), millis(*expires_at), self.span(*expires_at, GRACE).to_string()]
            }
            None => [String::new(), String::new(), String::new()],
        });
        for logout in logouts.iter().filter(|logout| logout.session.is_some() || logout.subject.is_some()) {
            arguments.extend([record::by_session(logout), record::by_subject(logout)].map(Option::unwrap_or_default));
        }
        let ended: Option<Vec<Fields>> = self.change(script::END_NAMED, &arguments).await?;
        ended.map(read_all).transpose()
    }

    async fn lease_refresh(&self, digest: &Digest, now: Timestamp, until: Timestamp) -> Result<bool, SessionStoreError> {
        self.is_done(script::LEASE_REFRESH, &[&digest.to_hex(), &millis(now), &millis(until)]).await
    }

    async fn replace_tokens(
        &self,
        digest: &Digest,
        seen: i64,
        tokens: &SealedTokens,
        _at: Timestamp,
    ) -> Result<bool, SessionStoreError> {
        let refresh_at = tokens.refresh_at.map(millis).unwrap_or_default();
        let arguments =
            [digest.to_hex().into_bytes(), seen.to_string().into_bytes(), tokens.sealed.clone(), refresh_at.into_bytes()];
        Ok(self.change::<i64>(script::REPLACE_TOKENS, &arguments).await? == 1)
    }

    async fn list(&self, filter: &SessionFilter, now: Timestamp) -> Result<Vec<Session>, SessionStoreError> {
        let user = filter.user.map(|user| user.to_string()).unwrap_or_default();
        let tenant = filter.tenant.as_ref().map(ToString::to_string).unwrap_or_default();
        let seen_after = filter.seen_after.map(millis).unwrap_or_default();
        let arguments = [user, tenant, seen_after, filter.limit.to_string(), millis(now)];
        let (found, _): (Vec<Fields>, Vec<String>) = self.server.ask(&script::run(script::LIST, &arguments)).await?;
        read_all(found)
    }

    async fn take_once(&self, purpose: &str, token: &Digest, expires_at: Timestamp) -> Result<bool, SessionStoreError> {
        let span = self.span(expires_at, GRACE).to_string();
        self.is_done(script::TAKE_ONCE, &[&once_key(purpose, token), &millis(expires_at), &span]).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, SessionStoreError> {
        let arguments = [millis(before), PURGED_AT_ONCE.to_string()];
        let mut all = 0;
        loop {
            let (gone, looked): (u64, u64) = self.change(script::PURGE, &arguments).await?;
            all += gone;
            if looked < PURGED_AT_ONCE {
                return Ok(all);
            }
        }
    }

    async fn overdue(&self, over: Overdue, from: Option<String>) -> Result<(Vec<Session>, Option<String>), SessionStoreError> {
        let idle = over.idle.as_millis().to_string();
        let arguments = [from.unwrap_or_else(|| "0".to_owned()), idle, millis(over.after), millis(over.until)];
        let ((next, found), _): ((String, Vec<Fields>), Vec<String>) =
            self.server.ask(&script::run(script::OVERDUE, &arguments)).await?;
        Ok((read_all(found)?, Some(next).filter(|next| next != "0")))
    }

    async fn count(&self, now: Timestamp) -> Result<u64, SessionStoreError> {
        let from = format!("({}", now.millis());
        Ok(self.server.ask(cmd("ZCOUNT").arg(format!("{PREFIX}live")).arg(from).arg("+inf")).await?)
    }
}
