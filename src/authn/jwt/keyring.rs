//! The keys of one issuer: fetched, kept, fetched again.
//!
//! Refuses to let callers drive fetches: however many tokens name unknown keys, an issuer is asked twice a minute at most; and
//! it refuses to forget good keys because the issuer is down (threats J7).

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::StatusCode;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::keys::{InvalidKeySet, KeySet};
use crate::clock::Timestamp;
use crate::http_client::{HttpClient, HttpClientError};
use crate::trace;

/// Keys older than this are not used, however long the issuer is down.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// After a failed fetch, how long the next is put off.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Bytes of the largest key file.
const LARGEST_FILE: u64 = 1 << 20;

/// Where the keys come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The issuer's metadata says where (OpenID Connect Discovery 1.0 §4, RFC 8414 §3).
    Discovery {
        issuer: String,
        base: Url,
        client: HttpClient,
    },
    Url {
        url: Url,
        client: HttpClient,
    },
    File(PathBuf),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error(transparent)]
    Client(#[from] HttpClientError),
    #[error("`{url}` answered {status}")]
    Status { url: Url, status: StatusCode },
    #[error("the issuer's metadata cannot be read")]
    Metadata(#[source] serde_json::Error),
    #[error("the metadata is that of `{0}`")]
    OtherIssuer(String),
    #[error("the metadata does not say where it is")]
    Unnamed,
    #[error("`{0}` is not a URL")]
    NotAUrl(String),
    #[error(transparent)]
    Keys(#[from] InvalidKeySet),
    #[error("the key file cannot be read")]
    File(#[source] std::io::Error),
    #[error("a fetch failed a moment ago")]
    Recently,
    #[error("the fetch was broken off")]
    BrokenOff,
}

/// Keys and when they were fetched.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) keys: KeySet,
    at: Timestamp,
}

/// What happened to the last fetches.
#[derive(Debug, Default)]
struct History {
    /// The last fetch that an unknown key asked for.
    forced: Option<Timestamp>,
    failed: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Keyring {
    source: Source,
    held: ArcSwapOption<Held>,
    /// One fetch at a time; whoever waited finds what the one before brought.
    turn: Mutex<History>,
    /// When a refresh behind the requests' backs was last begun; milliseconds since the epoch.
    refreshed: AtomicI64,
}

/// Whether an issuer has a key that was not known.
pub(super) enum Newer {
    Keys(Arc<Held>),
    /// It was asked a moment ago and had none.
    No,
}

impl Keyring {
    pub(super) fn new(source: Source) -> Self {
        Self { source, held: ArcSwapOption::empty(), turn: Mutex::default(), refreshed: AtomicI64::new(i64::MIN) }
    }

    /// The keys at hand, or freshly fetched where there are none yet. Waits only for the first fetch.
    pub(super) async fn keys(self: &Arc<Self>, now: Timestamp) -> Result<Arc<Held>, KeysError> {
        match self.held.load_full() {
            Some(held) if now.since(held.at) < STALE => {
                if now.since(held.at) >= self.source.refresh_after() {
                    self.refresh_behind(now);
                }
                Ok(held)
            }
            before => self.fetch_once(before, now, false).await,
        }
    }

    /// Asks the issuer again because a token named a key that `held` lacks, or named none and no key fits.
    pub(super) async fn newer(self: &Arc<Self>, held: Arc<Held>, now: Timestamp) -> Result<Newer, KeysError> {
        {
            let history = self.turn.lock().await;
            if let Some(current) = self.held.load_full().filter(|current| !Arc::ptr_eq(current, &held)) {
                return Ok(Newer::Keys(current));
            }
            let recent = |at: Option<Timestamp>, span| at.is_some_and(|at| now.since(at) < span);
            if recent(history.forced, self.source.between_forced()) {
                // Nobody knows whether there is a newer key while the issuer does not answer.
                return if history.failed.is_some() { Err(KeysError::Recently) } else { Ok(Newer::No) };
            }
        }
        self.fetch_once(Some(held), now, true).await.map(Newer::Keys)
    }

    /// Begins a fetch that nobody waits for.
    pub(super) fn refresh_behind(self: &Arc<Self>, now: Timestamp) {
        let last = self.refreshed.load(Ordering::Relaxed);
        let due = now.millis().saturating_sub(last) >= 1000 * i64::from(self.source.seconds_between_refreshes());
        if due && self.refreshed.compare_exchange(last, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let ring = Arc::clone(self);
            let before = self.held.load_full();
            tokio::spawn(async move {
                if let Err(error) = ring.fetch_in_turn(before, now, false).await {
                    tracing::warn!(source = %ring.source.name(), error = &error as &dyn std::error::Error, "issuer keys not refreshed");
                }
            });
        }
    }

    /// Whether no keys were fetched yet.
    pub(super) fn is_empty(&self) -> bool {
        self.held.load().is_none()
    }

    /// Takes over what `other` holds, if both have the same source.
    pub(super) fn inherit(&self, other: &Self) {
        if self.source.name() == other.source.name() && self.held.load().is_none() {
            self.held.store(other.held.load_full());
        }
    }

    /// A fetch in a task of its own, so that a caller who leaves does not break it off for the others.
    async fn fetch_once(
        self: &Arc<Self>,
        before: Option<Arc<Held>>,
        now: Timestamp,
        forced: bool,
    ) -> Result<Arc<Held>, KeysError> {
        let ring = Arc::clone(self);
        let fetch = async move { ring.fetch_in_turn(before, now, forced).await };
        tokio::spawn(trace::carried(fetch)).await.map_err(|_| KeysError::BrokenOff)?
    }

    async fn fetch_in_turn(&self, before: Option<Arc<Held>>, now: Timestamp, forced: bool) -> Result<Arc<Held>, KeysError> {
        let mut history = self.turn.lock().await;
        let known = |held: &Arc<Held>| before.as_ref().is_some_and(|before| Arc::ptr_eq(before, held));
        if let Some(held) = self.held.load_full().filter(|held| !known(held)) {
            return Ok(held);
        }
        if history.failed.is_some_and(|failed| now.since(failed) < AFTER_FAILURE) {
            return Err(KeysError::Recently);
        }
        if forced {
            if history.forced.is_some_and(|at| now.since(at) < self.source.between_forced()) {
                return self.held.load_full().ok_or(KeysError::Recently);
            }
            history.forced = Some(now);
        }
        match self.source.fetch().await {
            Ok(keys) => {
                history.failed = None;
                let held = Arc::new(Held { keys, at: now });
                self.held.store(Some(Arc::clone(&held)));
                Ok(held)
            }
            Err(error) => {
                history.failed = Some(now);
                Err(error)
            }
        }
    }
}

/// What an issuer says of itself (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).
#[derive(Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
    pub(super) introspection_endpoint: Option<String>,
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::Discovery { issuer, .. } => issuer.clone(),
            Self::Url { url, .. } => url.to_string(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn refresh_after(&self) -> Duration {
        match self {
            Self::Discovery { .. } | Self::Url { .. } => Duration::from_secs(600),
            Self::File(_) => Duration::from_secs(10),
        }
    }

    fn seconds_between_refreshes(&self) -> u32 {
        match self {
            Self::Discovery { .. } | Self::Url { .. } => 60,
            Self::File(_) => 10,
        }
    }

    fn between_forced(&self) -> Duration {
        match self {
            Self::Discovery { .. } | Self::Url { .. } => Duration::from_secs(30),
            Self::File(_) => Duration::from_secs(1),
        }
    }

    async fn fetch(&self) -> Result<KeySet, KeysError> {
        match self {
            Self::Discovery { issuer, base, client } => discover(issuer, base, client).await,
            Self::Url { url, client } => Ok(KeySet::from_json(&get(url, client).await?)?),
            Self::File(path) => read(path).await,
        }
    }
}

async fn discover(issuer: &str, base: &Url, client: &HttpClient) -> Result<KeySet, KeysError> {
    let named = metadata(issuer, base, client).await?.jwks_uri.ok_or(KeysError::Unnamed)?;
    let url = Url::parse(&named).map_err(|_| KeysError::NotAUrl(named))?;
    Ok(KeySet::from_json(&get(&url, client).await?)?)
}

/// Both well-known places, OpenID Connect's first; the document must be the issuer's own (RFC 8414 §3.3).
pub(super) async fn metadata(issuer: &str, base: &Url, client: &HttpClient) -> Result<Metadata, KeysError> {
    let [connect, oauth] = metadata_urls(base);
    let document = match get(&connect, client).await {
        Err(KeysError::Status { status, .. }) if status.is_client_error() => get(&oauth, client).await?,
        answer => answer?,
    };
    let metadata: Metadata = serde_json::from_slice(&document).map_err(KeysError::Metadata)?;
    if metadata.issuer != issuer {
        return Err(KeysError::OtherIssuer(metadata.issuer));
    }
    Ok(metadata)
}

/// `{issuer}/.well-known/openid-configuration`, and the form of RFC 8414 §3.1 with the path behind the well-known part.
fn metadata_urls(base: &Url) -> [Url; 2] {
    let path = base.path().trim_end_matches('/');
    let (mut connect, mut oauth) = (base.clone(), base.clone());
    connect.set_path(&format!("{path}/.well-known/openid-configuration"));
    oauth.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    [connect, oauth]
}

async fn get(url: &Url, client: &HttpClient) -> Result<Vec<u8>, KeysError> {
    let answer = client.get(url).await?;
    if answer.status() != StatusCode::OK {
        return Err(KeysError::Status { url: url.clone(), status: answer.status() });
    }
    Ok(answer.into_body())
}

async fn read(path: &FilePath) -> Result<KeySet, KeysError> {
    use tokio::io::AsyncReadExt as _;
    let file = tokio::fs::File::open(path).await.map_err(KeysError::File)?;
    let mut document = Vec::new();
    file.take(LARGEST_FILE).read_to_end(&mut document).await.map_err(KeysError::File)?;
    Ok(KeySet::from_json(&document)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_where_both_standards_say() {
        let urls = |issuer: &str| metadata_urls(&issuer.parse().unwrap()).map(String::from);
        assert_eq!(
            urls("https://id.example/realms/a/"),
            [
                "https://id.example/realms/a/.well-known/openid-configuration",
                "https://id.example/.well-known/oauth-authorization-server/realms/a"
            ]
        );
        assert_eq!(urls("https://id.example")[0], "https://id.example/.well-known/openid-configuration");
    }
}
