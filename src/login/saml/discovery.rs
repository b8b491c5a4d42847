//! Where the provider's metadata comes from: a file, an address, or the configuration itself.
//!
//! Refuses to be needed at start: an address is read when first used, kept for its `cacheDuration` or else an hour, kept longer while it
//! cannot be reached, and read again when a signature is of a key that is not in it. One caller asks for all; after a failure nobody asks
//! for a moment. Past the end that a document states it is believed no longer, wherever it is from and whether or not there is a newer one.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use url::Url;

use super::idp::{IdentityProvider, UnusableMetadata};
use super::signature::Trust;
use crate::clock::Timestamp;
use crate::http_client::HttpClient;
use crate::login::SignInError;

/// How long it is believed without looking again, where it does not say itself.
const KEPT: Duration = Duration::from_secs(3600);
/// How long a failure stands for those who ask meanwhile.
const FAILED: Duration = Duration::from_secs(2);
/// Between two readings that unknown keys caused.
const ROTATION: Duration = Duration::from_secs(10);

/// What is known of the provider, and from where.
#[derive(Debug)]
pub(super) enum Discovery {
    /// From the configuration or a file, which a reload reads again.
    Fixed(Arc<IdentityProvider>),
    Remote(Box<Remote>),
}

#[derive(Debug)]
pub(super) struct Remote {
    address: Url,
    http: HttpClient,
    /// Which of several entities is meant.
    wanted: Option<String>,
    /// What the document has to be signed with.
    signer: Option<Arc<Trust>>,
    known: ArcSwapOption<Known>,
    asked: Mutex<Asked>,
}

#[derive(Debug)]
struct Known {
    provider: Arc<IdentityProvider>,
    read_at: Timestamp,
}

#[derive(Debug, Default)]
struct Asked {
    failed_at: Option<Timestamp>,
    rotated_at: Option<Timestamp>,
}

impl Discovery {
    pub(super) fn remote(address: Url, http: HttpClient, wanted: Option<String>, signer: Option<Arc<Trust>>) -> Self {
        let (known, asked) = (ArcSwapOption::empty(), Mutex::default());
        Self::Remote(Box::new(Remote { address, http, wanted, signer, known, asked }))
    }

    /// The provider, from memory where it is fresh enough.
    pub(super) async fn current(&self, now: Timestamp) -> Result<Arc<IdentityProvider>, SignInError> {
        match self {
            Self::Fixed(provider) => {
                provider.current(now)?;
                Ok(Arc::clone(provider))
            }
            Self::Remote(remote) => remote.current(now).await,
        }
    }

    /// What it is fetched with.
    pub(super) fn http(&self) -> Option<&HttpClient> {
        match self {
            Self::Fixed(_) => None,
            Self::Remote(remote) => Some(&remote.http),
        }
    }

    /// The provider newer than `seen`, whose keys did not fit; `None` where there is nothing newer to be had.
    pub(super) async fn newer_than(&self, seen: &Arc<IdentityProvider>, now: Timestamp) -> Option<Arc<IdentityProvider>> {
        match self {
            Self::Fixed(_) => None,
            Self::Remote(remote) => remote.newer_than(seen, now).await,
        }
    }
}

impl Remote {
    async fn current(&self, now: Timestamp) -> Result<Arc<IdentityProvider>, SignInError> {
        if let Some(fresh) = self.fresh(now) {
            return Ok(fresh);
        }
        let mut asked = self.asked.lock().await;
        if let Some(fresh) = self.fresh(now) {
            return Ok(fresh);
        }
        let known = self.known.load_full().filter(|known| known.provider.current(now).is_ok());
        let old = known.map(|known| Arc::clone(&known.provider));
        if asked.failed_at.is_some_and(|at| now.since(at) < FAILED) {
            return old.ok_or_else(|| SignInError::ProviderUnreachable("it could not be reached a moment ago".into()));
        }
        match (self.read(now).await, old) {
            (Ok(provider), _) => Ok(provider),
            (Err(error), old) => {
                asked.failed_at = Some(now);
                let Some(old) = old else { return Err(error) };
                tracing::warn!(%error, address = %self.address, "the provider's old metadata is used on");
                Ok(old)
            }
        }
    }

    async fn newer_than(&self, seen: &Arc<IdentityProvider>, now: Timestamp) -> Option<Arc<IdentityProvider>> {
        let mut asked = self.asked.lock().await;
        if let Some(known) = self.known.load_full().filter(|known| !Arc::ptr_eq(&known.provider, seen)) {
            return Some(Arc::clone(&known.provider));
        }
        if asked.rotated_at.is_some_and(|at| now.since(at) < ROTATION) {
            return None;
        }
        asked.rotated_at = Some(now);
        match self.read(now).await {
            Ok(provider) => Some(provider),
            Err(error) => {
                tracing::warn!(%error, address = %self.address, "the provider's metadata could not be read again");
                None
            }
        }
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<IdentityProvider>> {
        let known = self.known.load_full()?;
        let fresh = now.since(known.read_at) < known.provider.kept(KEPT) && known.provider.current(now).is_ok();
        fresh.then(|| Arc::clone(&known.provider))
    }

    async fn read(&self, now: Timestamp) -> Result<Arc<IdentityProvider>, SignInError> {
        let request =
            http::Request::get(self.address.as_str()).header(http::header::ACCEPT, "application/samlmetadata+xml, */*;q=0.1");
        let request = request.body(Vec::new()).map_err(SignInError::internal)?;
        let answer = self.http.send(request).await.map_err(|error| SignInError::ProviderUnreachable(error.into()))?;
        if answer.status() != http::StatusCode::OK {
            let said = format!("its metadata answers {}", answer.status());
            return Err(SignInError::ProviderUnreachable(said.into()));
        }
        let text = String::from_utf8(answer.into_body())
            .map_err(|_| SignInError::ProviderSetup("its metadata is not UTF-8".to_owned()))?;
        let (wanted, signer) = (self.wanted.clone(), self.signer.clone());
        let read = move || IdentityProvider::read(&text, wanted.as_deref(), signer.as_deref());
        let read = tokio::task::spawn_blocking(read).await.map_err(SignInError::internal)?;
        let provider = Arc::new(read?);
        provider.current(now)?;
        self.known.store(Some(Arc::new(Known { provider: Arc::clone(&provider), read_at: now })));
        Ok(provider)
    }
}

impl From<UnusableMetadata> for SignInError {
    fn from(error: UnusableMetadata) -> Self {
        Self::ProviderSetup(format!("its metadata: {error}"))
    }
}
