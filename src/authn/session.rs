//! Session cookies.
//!
//! Refuses an ended, idle or expired session, and a session of an inactive person, whatever the cookie says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use moka::future::Cache;

use super::AuthnError;
use crate::clock::Timestamp;
use crate::config::Sessions as Lifetimes;
use crate::crypto::Digest;
use crate::directory::Directory;
use crate::edge::Clean;
use crate::model::{Change, CredentialKind, ForwardMemo, Identity, Session, User};
use crate::policy::role::Roles;
use crate::session::SessionStore;

const KIND: CredentialKind = CredentialKind::Session;

/// A live session, ready for the next request.
#[derive(Debug)]
struct Live {
    identity: Arc<Identity>,
    expires_at: Timestamp,
    /// Milliseconds since the epoch; written by every request that uses the session.
    last_seen: AtomicI64,
}

/// Checks sessions, from memory where it can.
#[derive(Debug)]
pub(super) struct Sessions {
    store: Arc<dyn SessionStore>,
    directory: Arc<dyn Directory>,
    roles: Arc<Roles>,
    lifetimes: Lifetimes,
    live: Cache<Digest, Arc<Live>>,
}

impl Sessions {
    pub(super) fn new(
        store: Arc<dyn SessionStore>,
        directory: Arc<dyn Directory>,
        roles: Arc<Roles>,
        lifetimes: Lifetimes,
    ) -> Self {
        let live =
            Cache::builder().max_capacity(100_000).time_to_live(Duration::from_secs(300)).support_invalidation_closures().build();
        Self { store, directory, roles, lifetimes, live }
    }

    /// Whose session it is; `None` if it has ended in the ordinary course of things, which is no attack but no identity either.
    pub(super) async fn identify(&self, value: &str, clean: &Clean<'_>) -> Result<Option<Arc<Identity>>, AuthnError> {
        let digest = Digest::of(value.as_bytes());
        let live = match self.live.get(&digest).await {
            Some(live) => live,
            None => match self.load(&digest, clean.now).await? {
                Some(live) => live,
                None => return Ok(None),
            },
        };
        let seen = Timestamp::from_millis(live.last_seen.load(Ordering::Relaxed));
        if live.expires_at <= clean.now || seen.after(self.lifetimes.idle.0) <= clean.now {
            return Ok(None);
        }
        live.last_seen.store(clean.now.millis(), Ordering::Relaxed);
        Ok(Some(Arc::clone(&live.identity)))
    }

    async fn load(&self, digest: &Digest, now: Timestamp) -> Result<Option<Arc<Live>>, AuthnError> {
        let found = self.store.find(digest).await.map_err(|error| AuthnError::unavailable(KIND, error))?;
        let Some(session) = found.filter(|session| session.revoked_at.is_none() && session.expires_at > now) else {
            return Ok(None);
        };
        let user = self.directory.user(session.user).await.map_err(|error| AuthnError::unavailable(KIND, error))?;
        let Some(user) = user.filter(|user| user.active) else { return Ok(None) };
        let live = Arc::new(Live {
            identity: Arc::new(identity(&session, user, &self.roles)),
            expires_at: session.expires_at,
            last_seen: AtomicI64::new(session.last_seen_at.millis()),
        });
        self.live.insert(*digest, Arc::clone(&live)).await;
        Ok(Some(live))
    }

    pub(super) fn forget(&self, change: &Change) {
        match change {
            Change::Program(..) => {}
            Change::Everything => self.live.invalidate_all(),
            Change::User(user) => {
                let user = *user;
                if self.live.invalidate_entries_if(move |_, live| live.identity.user == Some(user)).is_err() {
                    self.live.invalidate_all();
                }
            }
            Change::Session(digest) => {
                let digest = *digest;
                if self.live.invalidate_entries_if(move |place, _| *place == digest).is_err() {
                    self.live.invalidate_all();
                }
            }
        }
    }
}

fn identity(session: &Session, user: User, roles: &Roles) -> Identity {
    let held = roles.of(&user.roles, &user.groups);
    Identity {
        credential: KIND,
        subject: user.id.to_string(),
        tenant: user.tenant,
        user: Some(user.id),
        user_name: Some(user.user_name),
        email: user.email.map(String::from),
        name: user.name,
        groups: user.groups,
        scopes: roles.scopes_of(&held),
        roles: held,
        session: Some(session.handle.clone()),
        connection: Some(session.connection.clone()),
        authenticated_at: Some(session.authenticated_at),
        mfa: session.amr.iter().any(|method| method == "mfa"),
        amr: session.amr.clone(),
        expires_at: Some(session.expires_at),
        forward: ForwardMemo::default(),
    }
}
