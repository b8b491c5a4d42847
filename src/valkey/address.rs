//! Where the server is, and whom it has to prove to be.
//!
//! Refuses to be shown: the address may hold a password.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::config::{Config, Path, Problems, SessionServer};

/// How to reach the server.
#[derive(Clone)]
pub struct Address {
    pub(super) place: Place,
    pub(super) login: RedisConnectionInfo,
}

/// Where it listens.
#[derive(Clone)]
pub(super) enum Place {
    Tcp { host: String, port: u16, tls: Option<Tls> },
    Unix(PathBuf),
}

#[derive(Clone)]
pub(super) struct Tls {
    pub(super) name: ServerName<'static>,
    pub(super) config: Arc<rustls::ClientConfig>,
}

/// What is wrong with an address.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error("this is not the address of a Valkey or Redis server")]
    Url,
    #[error("there is a password in the URL, too")]
    TwoPasswords,
    #[error("certificate checks cannot be turned off")]
    Insecure,
    #[error("`{0}` is no name that a certificate could be for")]
    Name(String),
    #[error("authorities have no meaning without TLS")]
    NoTls,
    #[error("cannot read the authorities in `{path}`: {source}")]
    Authorities { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Address {
    /// Reads `redis://`, `rediss://`, `valkey://`, `valkeys://` and `unix:///` addresses with user, password and number of the database.
    /// With `ca`, the server's certificate has to be from one of the authorities in that file; without, from one of the system's.
    ///
    /// # Errors
    /// [`AddressError`]; none of them holds the address.
    pub fn new(url: &str, ca: Option<&FilePath>) -> Result<Self, AddressError> {
        let info = url.into_connection_info().map_err(|_| AddressError::Url)?;
        let place = match info.addr() {
            ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) if ca.is_some() => return Err(AddressError::NoTls),
            ConnectionAddr::Tcp(host, port) => Place::Tcp { host: host.clone(), port: *port, tls: None },
            ConnectionAddr::TcpTls { insecure: true, .. } => return Err(AddressError::Insecure),
            ConnectionAddr::TcpTls { host, port, .. } => {
                Place::Tcp { host: host.clone(), port: *port, tls: Some(Tls::new(host, ca)?) }
            }
            ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
            _ => return Err(AddressError::Url),
        };
        let login = info.redis_settings().clone().set_lib_name("doorward", env!("CARGO_PKG_VERSION"));
        Ok(Self { place, login })
    }

    /// Where `server` is.
    ///
    /// # Errors
    /// [`AddressError`] as for [`Self::new`].
    pub fn of(server: &SessionServer) -> Result<Self, AddressError> {
        let mut address = Self::new(server.url.expose(), server.ca.as_deref())?;
        if let Some(password) = &server.password {
            if address.login.password().is_some() {
                return Err(AddressError::TwoPasswords);
            }
            address.login = address.login.set_password(password.expose());
        }
        Ok(address)
    }
}

/// Adds what is wrong with the session server's address to `problems`.
pub fn review(config: &Config, problems: &mut Problems) {
    let Some(server) = config.store.as_ref().and_then(|store| store.sessions.as_ref()) else { return };
    let Err(error) = Address::of(server) else { return };
    let at = Path::from("store").key("sessions");
    let (key, hint) = match &error {
        AddressError::Url => ("url", "write `rediss://user:password@host:6379/0`"),
        AddressError::TwoPasswords => ("password", "one is enough; this one keeps it out of the URL"),
        AddressError::Insecure => ("url", "name the authorities of the server's certificate in `ca`"),
        AddressError::Name(_) | AddressError::Tls(_) => ("url", "the host is a name or an address"),
        AddressError::NoTls => ("ca", "write `rediss://…`, or remove it"),
        AddressError::Authorities { .. } => ("ca", "a PEM file with certificates that the user doorward runs as can read"),
    };
    problems.add(at.key(key), error.to_string(), hint);
}

impl Tls {
    fn new(host: &str, ca: Option<&FilePath>) -> Result<Self, AddressError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| AddressError::Name(host.to_owned()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = match ca {
            None => builder.with_platform_verifier()?.with_no_client_auth(),
            Some(path) => builder.with_root_certificates(authorities(path)?).with_no_client_auth(),
        };
        Ok(Self { name, config: Arc::new(config) })
    }
}

fn authorities(path: &FilePath) -> Result<rustls::RootCertStore, AddressError> {
    let unreadable = |source| AddressError::Authorities { path: path.to_owned(), source };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?)?;
    }
    if roots.is_empty() {
        return Err(unreadable(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(roots)
}

/// Host and port, without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
