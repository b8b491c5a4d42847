//! Whom a syslog server by TLS has to prove to be, and what it is shown (RFC 5425 §4.2, §5).
//!
//! Refuses to keep what was read: certificates are renewed in their files, and a connection is made seldom.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinError;
use tokio_rustls::TlsConnector;

use crate::config::listener::Certificate;
use crate::http_client::{self, HttpClientError};

/// Authorities instead of the system's, and a client's certificate.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) authorities: Option<PathBuf>,
    pub(super) certificate: Option<Certificate>,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrustError {
    #[error(transparent)]
    Files(#[from] HttpClientError),
    #[error("the certificates were not read")]
    Task(#[from] JoinError),
}

impl Trust {
    /// As the files say now.
    pub(super) async fn connector(&self) -> Result<TlsConnector, TrustError> {
        let trust = self.clone();
        let config = tokio::task::spawn_blocking(move || trust.read()).await??;
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// Waits for the disk.
    pub(super) fn read(&self) -> Result<rustls::ClientConfig, HttpClientError> {
        http_client::tls(self.authorities.as_deref(), self.certificate.as_ref())
    }
}
