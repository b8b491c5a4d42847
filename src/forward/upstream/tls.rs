//! TLS towards the application: whom to trust, and who Doorward is.
//!
//! Refuses certificates and keys that do not fit at start-up, because the engine would only find out with the first request.

use std::path::Path as FilePath;
use std::sync::Arc;

use pingora_core::protocols::tls::CaType;
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::config::upstream::UpstreamTls;
use crate::config::{Path, Problems};

/// What the TLS leg to a server needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    /// Authorities in place of the system's.
    pub(super) authorities: Option<Arc<CaType>>,
    pub(super) certificate: Option<Arc<CertKey>>,
    pub(super) server_name: Option<String>,
}

/// What the engine is to read instead of the system's authorities: nothing. It would panic over a file of them that it cannot
/// read, and every server's authorities are given with the server.
pub const NO_AUTHORITIES: &str = "/dev/null";

/// `encrypted`: whether there is a server that needs authorities at all.
pub(super) fn compile(typed: &UpstreamTls, encrypted: bool, path: &Path, problems: &mut Problems) -> Option<Trust> {
    let mut trust = Trust { server_name: typed.server_name.clone(), ..Trust::default() };
    if let Some(name) = &typed.server_name
        && ServerName::try_from(name.as_str()).is_err()
    {
        problems.add(path.key("server_name"), format!("`{name}` is not a name a certificate can be for"), "write a DNS name");
        return None;
    }
    if let Some(file) = &typed.ca {
        let certificates = authorities(file).map_err(|what| problems.add(path.key("ca"), what, "give a PEM file")).ok()?;
        trust.authorities = Some(certificates.into_iter().map(|der| WrappedX509::new(der, parse_x509)).collect());
    }
    if typed.ca.is_none() && encrypted {
        let hint = "name the upstream's authorities in `ca`, or SSL_CERT_FILE";
        let system = system_authorities().map_err(|what| problems.add(path.key("ca"), what, hint)).ok()?;
        trust.authorities = Some(system);
    }
    match (&typed.cert, &typed.key) {
        (None, None) => {}
        (Some(cert), Some(key)) => {
            let hint = "give a PEM certificate chain and its PEM private key";
            let (chain, key) = identity(cert, key).map_err(|what| problems.add(path.key("cert"), what, hint)).ok()?;
            trust.certificate = Some(Arc::new(CertKey::new(chain, key)));
        }
        _ => {
            problems.add(path.clone(), "a client certificate needs both `cert` and `key`", "give both, or neither");
            return None;
        }
    }
    Some(trust)
}

fn certificates(file: &FilePath) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("`{}`: {error}", file.display());
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(&error))?;
    match found.iter().find(|der| x509_parser::parse_x509_certificate(der).is_err()) {
        None if found.is_empty() => Err(format!("`{}` holds no certificate", file.display())),
        None => Ok(found),
        Some(_) => Err(format!("`{}` holds something that is no X.509 certificate", file.display())),
    }
}

fn authorities(file: &FilePath) -> Result<Vec<Vec<u8>>, String> {
    let found = certificates(file)?;
    let mut roots = RootCertStore::empty();
    for one in &found {
        roots.add(one.clone()).map_err(|error| format!("`{}`: {error}", file.display()))?;
    }
    Ok(found.iter().map(|der| der.to_vec()).collect())
}

/// The system's authorities; what cannot be read among them is left out, as other programs do.
fn system_authorities() -> Result<Arc<CaType>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let usable: Vec<WrappedX509> = found
        .certs
        .into_iter()
        .filter(|der| x509_parser::parse_x509_certificate(der).is_ok() && roots.add(der.clone()).is_ok())
        .map(|der| WrappedX509::new(der.to_vec(), parse_x509))
        .collect();
    match found.errors.first() {
        _ if !usable.is_empty() => Ok(usable.into()),
        Some(error) => Err(format!("the system's authorities cannot be read: {error}")),
        None => Err("the system has no authorities".to_owned()),
    }
}

/// Chain and key, once rustls agreed that they fit.
fn identity(cert: &FilePath, key: &FilePath) -> Result<(Vec<Vec<u8>>, Vec<u8>), String> {
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("`{}`: {error}", key.display()))?;
    let bytes = private.secret_der().to_vec();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_root_certificates(RootCertStore::empty()).with_client_auth_cert(chain.clone(), private))
        .map_err(|error| format!("`{}` and `{}` do not fit: {error}", cert.display(), key.display()))?;
    Ok((chain.iter().map(|der| der.to_vec()).collect(), bytes))
}
