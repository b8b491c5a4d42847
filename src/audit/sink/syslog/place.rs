//! Where a syslog server is.
//!
//! Refuses an address with anything but a host and a port, because nothing else has a meaning there.

use std::fmt;

use rustls::pki_types::ServerName;
use url::Url;

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What is wrong with an address.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("`{0}` is no name that a certificate could be for")]
    Name(String),
}

impl Place {
    /// The place that `url` names; at `port` if it names none.
    pub(super) fn of(url: &Url, port: u16) -> Option<Self> {
        // An IPv6 address has brackets in a URL only.
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(Self { host, port: url.port().unwrap_or(port) })
    }

    /// Whom the certificate has to be for.
    pub(super) fn name(&self) -> Result<ServerName<'static>, PlaceError> {
        ServerName::try_from(self.host.clone()).map_err(|_| PlaceError::Name(self.host.clone()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
