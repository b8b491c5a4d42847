//! The audit trail in a database, the same statements for either engine.
//!
//! Refuses nothing itself: the table's triggers do, because they also bind whoever opens the database with another program.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::append::{self, Appended, Mark, Prepared, Repeated};
use super::chain::{Head, Source};
use super::removal::{self, SCANNED};
use super::verify::{self, Report};
use super::{AuditError, AuditFilter, AuditStore, Entry, Event, Listing, Signed, listing, search};
use crate::clock::Timestamp;
use crate::crypto::signer::PublicKey;
use crate::db::{Database, Failure, query};
use crate::model::UserId;

/// The trail in a database.
#[derive(Clone, Debug)]
pub struct SqlAudit {
    database: Database,
    source: Source,
    /// What this process last saw of its chain.
    seen: Arc<Mutex<Option<Mark>>>,
}

impl SqlAudit {
    /// What is added is linked into the chain of `source`.
    #[must_use]
    pub fn new(database: Database, source: Source) -> Self {
        Self { database, source, seen: Arc::default() }
    }

    /// Who writes.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    pub(super) const fn database(&self) -> &Database {
        &self.database
    }

    /// Checks the whole trail. `keys` are trusted besides this door's own; `outside` are checkpoints that were kept elsewhere.
    ///
    /// # Errors
    /// [`AuditError`] when it cannot be read.
    pub async fn verify(&self, keys: Vec<PublicKey>, outside: &[Signed]) -> Result<Report, AuditError> {
        let keys: Vec<PublicKey> = self.source.keys().cloned().chain(keys).collect();
        verify::verify(&self.database, &keys, outside).await
    }

    async fn link(&self, events: Arc<[Prepared]>, checked: bool) -> Result<(), Failure<Repeated>> {
        let (source, before, now) = (self.source.clone(), self.seen(), self.database.now());
        let done = self.database.write(move |connection| Box::pin(append::append(connection, source, events, checked, now)));
        let Appended { found, left } = done.await?;
        // Others may have gone on since; what was committed before this began may not be gone.
        let gone = before.filter(|before| found.link < before.link || (found.link == before.link && found.hash != before.hash));
        if let Some(before) = gone {
            let chain = &*self.source.chain;
            tracing::error!(
                chain,
                was = before.link,
                is = found.link,
                "the audit trail went back: events were removed or replaced"
            );
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.is_some() || seen.is_none_or(|seen| seen.link < left.link) {
            *seen = Some(left);
        }
        Ok(())
    }

    fn seen(&self) -> Option<Mark> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Failure<Self>> for AuditError {
    fn from(failure: Failure<Self>) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Unavailable(error) => error.into(),
        }
    }
}

#[async_trait]
impl AuditStore for SqlAudit {
    async fn append(&self, events: Vec<Event>) -> Result<(), AuditError> {
        let events: Result<Arc<[Prepared]>, _> = events.into_iter().map(Prepared::new).collect();
        let events = events?;
        match self.link(Arc::clone(&events), false).await {
            Err(Failure::Refused(Repeated)) => Ok(self.link(events, true).await?),
            done => Ok(done?),
        }
    }

    async fn search(&self, filter: &AuditFilter) -> Result<Listing, AuditError> {
        search::search(&self.database, filter).await
    }

    async fn following(&self, chain: &str, after_link: i64, limit: u32) -> Result<Vec<Entry>, AuditError> {
        listing::following(&self.database, chain, after_link, limit).await
    }

    async fn heads(&self) -> Result<Vec<Head>, AuditError> {
        let heads = query("SELECT chain, first_link, link, at FROM audit_heads WHERE link > 0 ORDER BY chain");
        Ok(self.database.read(heads.fetch_all(self.database.readers())).await?)
    }

    async fn forget(&self, person: UserId, names: &[String]) -> Result<u64, AuditError> {
        let newest = query("SELECT coalesce(max(seq), 0) FROM audit_facts");
        let newest: i64 = self.database.read(newest.fetch_one(self.database.readers())).await?;
        let (mut gone, at) = (0, self.database.now());
        // In pieces, so that nobody else's writes wait for all of them.
        loop {
            let source = self.source.clone();
            let some = self.database.write(move |connection| Box::pin(removal::forget_person(connection, source, at, person)));
            match some.await? {
                0 => break,
                some => gone += some,
            }
        }
        let mut names = names.to_vec();
        names.push(person.to_string());
        for after in (0..newest).step_by(SCANNED) {
            let (source, which) = (self.source.clone(), (names.clone(), after));
            let some = self.database.write(move |connection| Box::pin(removal::forget_names(connection, source, at, which)));
            gone += some.await?;
        }
        Ok(gone)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, AuditError> {
        let (mut all, at) = (0, self.database.now());
        loop {
            let some = self.database.write(move |connection| Box::pin(removal::purge_unlinked(connection, before)));
            match some.await? {
                0 => break,
                some => all += some,
            }
        }
        for head in self.heads().await? {
            loop {
                let (source, which) = (self.source.clone(), (head.chain.clone(), before));
                let some = self.database.write(move |connection| Box::pin(removal::shorten(connection, source, at, which)));
                match some.await? {
                    0 => break,
                    some => all += some,
                }
            }
        }
        Ok(all)
    }
}
