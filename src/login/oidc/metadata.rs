//! What a provider says of itself: its endpoints and keys (OpenID Connect Discovery 1.0).
//!
//! Refuses to be needed at start: it is read when first used, kept for an hour, kept longer while the provider is down, and read again
//! when a token names a key that is not in it. One caller asks for all; after a failure nobody asks again for a moment.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, DiscoveryError, EndSessionUrl, IssuerUrl, ProviderMetadata};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use crate::clock::Timestamp;
use crate::login::SignInError;
use crate::login::oauth2::caller::{CallError, Caller};

/// How long it is believed without looking again.
const KEPT: Duration = Duration::from_secs(3600);
/// How long a failure stands for those who ask meanwhile.
const FAILED: Duration = Duration::from_secs(2);
/// Between two readings that unknown keys caused.
const ROTATION: Duration = Duration::from_secs(10);
/// Before the second try of one reading.
const SECOND_TRY: Duration = Duration::from_millis(200);

/// What is read besides the library's own fields.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Further {
    /// RFC 9207 §3
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// OpenID Connect RP-Initiated Logout 1.0 §2.1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<EndSessionUrl>,
    /// RFC 8414 §2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// RFC 9126 §5
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<Url>,
    /// RFC 9126 §5
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
}

impl AdditionalProviderMetadata for Further {}

pub(super) type Metadata = ProviderMetadata<
    Further,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

#[derive(Debug)]
struct Known {
    metadata: Arc<Metadata>,
    read_at: Timestamp,
}

/// When it was last asked, and how that ended.
#[derive(Debug, Default)]
struct Asked {
    failed: Option<Timestamp>,
    /// The last reading that an unknown key caused, and that succeeded.
    rotated: Option<Timestamp>,
    /// The last such reading that failed.
    unread: Option<Timestamp>,
}

/// A provider's metadata, read when needed.
#[derive(Debug)]
pub(super) struct Discovery {
    issuer: IssuerUrl,
    known: ArcSwapOption<Known>,
    asked: Mutex<Asked>,
}

impl Discovery {
    #[must_use]
    pub(super) fn new(issuer: IssuerUrl) -> Self {
        Self { issuer, known: ArcSwapOption::empty(), asked: Mutex::default() }
    }

    /// The metadata, from memory where it is fresh enough.
    pub(super) async fn current(&self, caller: &Caller, now: Timestamp) -> Result<Arc<Metadata>, SignInError> {
        if let Some(fresh) = self.fresh(now) {
            return Ok(fresh);
        }
        let mut asked = self.asked.lock().await;
        if let Some(fresh) = self.fresh(now) {
            return Ok(fresh);
        }
        let old = self.known.load_full().map(|known| Arc::clone(&known.metadata));
        if asked.failed.is_some_and(|at| now.since(at) < FAILED) {
            return old.ok_or_else(|| SignInError::ProviderUnreachable("it could not be reached a moment ago".into()));
        }
        match (self.read(caller, now).await, old) {
            (Ok(metadata), _) => Ok(metadata),
            (Err(error), old) => {
                asked.failed = Some(now);
                match old {
                    Some(old) => {
                        tracing::warn!(%error, issuer = self.issuer.as_str(), "the provider's old metadata is used on");
                        Ok(old)
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// Metadata newer than `seen`, in which a key was missing. Read at most every ten seconds, whatever tokens say.
    pub(super) async fn newer_than(
        &self,
        seen: &Arc<Metadata>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Arc<Metadata>, SignInError> {
        let mut asked = self.asked.lock().await;
        if let Some(known) = self.known.load_full().filter(|known| !Arc::ptr_eq(&known.metadata, seen)) {
            return Ok(Arc::clone(&known.metadata));
        }
        if asked.rotated.is_some_and(|at| now.since(at) < ROTATION) {
            return Ok(Arc::clone(seen));
        }
        // Whether a key is unknown cannot be said while the provider cannot be asked.
        if asked.unread.is_some_and(|at| now.since(at) < FAILED) {
            return Err(SignInError::ProviderUnreachable("its keys could not be read a moment ago".into()));
        }
        let read = self.read(caller, now).await;
        match &read {
            Ok(_) => asked.rotated = Some(now),
            Err(_) => asked.unread = Some(now),
        }
        read
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<Metadata>> {
        let known = self.known.load_full()?;
        (now.since(known.read_at) < KEPT).then(|| Arc::clone(&known.metadata))
    }

    async fn read(&self, caller: &Caller, now: Timestamp) -> Result<Arc<Metadata>, SignInError> {
        let begun = tokio::time::Instant::now();
        let mut read = Metadata::discover_async(self.issuer.clone(), caller).await;
        // A connection that broke may be whole now; one that hung would hang again, and somebody is waiting.
        if matches!(read, Err(DiscoveryError::Request(_))) && begun.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(SECOND_TRY).await;
            read = Metadata::discover_async(self.issuer.clone(), caller).await;
        }
        let metadata = Arc::new(read.map_err(unread)?);
        self.known.store(Some(Arc::new(Known { metadata: Arc::clone(&metadata), read_at: now })));
        Ok(metadata)
    }
}

fn unread(error: DiscoveryError<CallError>) -> SignInError {
    match error {
        DiscoveryError::Request(error) => SignInError::ProviderUnreachable(error.into()),
        DiscoveryError::Response(status, ..) => SignInError::ProviderSetup(format!("its discovery document answers {status}")),
        DiscoveryError::Validation(what) => SignInError::ProviderSetup(format!("its discovery document does not fit: {what}")),
        DiscoveryError::Parse(error) => SignInError::ProviderSetup(format!("its discovery document cannot be read: {error}")),
        other => SignInError::ProviderSetup(other.to_string()),
    }
}
