//! A certificate in files, as cert-manager writes them.
//!
//! Refuses a pair that does not fit and goes on with the one before, because files are written one after the other.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::certificate::{self, CertificateError};
use super::state::State;

/// Why the files are of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("`{}` cannot be read", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// The two files, and what of them is served.
pub(super) struct Files {
    cert: PathBuf,
    key: PathBuf,
    served: Option<(Vec<u8>, Vec<u8>)>,
}

impl Files {
    pub(super) fn new(cert: PathBuf, key: PathBuf) -> Self {
        Self { cert, key, served: None }
    }

    pub(super) fn all(&self) -> BTreeSet<PathBuf> {
        BTreeSet::from([self.cert.clone(), self.key.clone()])
    }

    /// Serves with what the files hold now, if that is news.
    pub(super) async fn take_over(&mut self, state: &Arc<State>) -> Result<(), FileError> {
        let pair = (read(&self.cert).await?, read(&self.key).await?);
        if self.served.as_ref() == Some(&pair) {
            return Ok(());
        }
        let (config, life) = certificate::serving(&pair.0, &pair.1)?;
        state.serve_with(config, life.ends);
        self.served = Some(pair);
        tracing::info!(ends = %life.ends, "serving with the certificate of the files");
        Ok(())
    }
}

async fn read(file: &PathBuf) -> Result<Vec<u8>, FileError> {
    tokio::fs::read(file).await.map_err(|source| FileError::Unreadable { file: file.clone(), source })
}
