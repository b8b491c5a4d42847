//! TLS with rustls: certificates by SNI, client certificates, versions.
//!
//! Refuses to start with a certificate that does not fit its key, because the first visitor should not be the one to find out.

use std::collections::HashMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use crate::clock::Timestamp;
use crate::config::listener::{ClientCertificateRule, Tls, TlsVersion};
use crate::config::{Path, Problems};

/// Certificates by the names they are for.
#[derive(Debug)]
struct Certificates {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.find(name));
        named.or(self.first.as_ref()).cloned()
    }
}

impl Certificates {
    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        self.by_name.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        })
    }
}

/// The rustls configuration of one listener; `None` if problems were added.
pub fn compile(tls: &Tls, path: &Path, problems: &mut Problems) -> Option<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificates = certificates(tls, path, problems)?;
    let versions: &[_] = match tls.min_version {
        TlsVersion::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V13 => &[&rustls::version::TLS13],
    };
    let builder = match ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions) {
        Ok(builder) => builder,
        Err(error) => {
            problems.add(path.key("min_version"), error.to_string(), "");
            return None;
        }
    };
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = authorities(ca, &path.key("client_ca"), problems)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match tls.client_certificate {
                ClientCertificateRule::Optional => verifier.allow_unauthenticated(),
                ClientCertificateRule::Required => verifier,
            };
            match verifier.build() {
                Ok(verifier) => builder.with_client_cert_verifier(verifier),
                Err(error) => {
                    problems.add(path.key("client_ca"), error.to_string(), "");
                    return None;
                }
            }
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if let Err(error) = choose_resumption(&mut config, tls.client_ca.is_some()) {
        problems.add(path.clone(), error.to_string(), "");
        return None;
    }
    Some(Arc::new(config))
}

/// Who comes again may skip most of the handshake (RFC 8446 §2.2), by a ticket that all threads can read and that costs no memory.
/// Not where client certificates are looked at: a resumed session brings back the certificate of the first without checking it
/// again, so one that has expired, or whose authority was taken out, would live on.
fn choose_resumption(config: &mut ServerConfig, client_certificates: bool) -> Result<(), rustls::Error> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if client_certificates {
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    }
    Ok(())
}

fn certificates(tls: &Tls, path: &Path, problems: &mut Problems) -> Option<Certificates> {
    let mut found = Certificates { by_name: HashMap::new(), first: None };
    let mut complete = true;
    for (index, certificate) in tls.certificates.iter().enumerate() {
        match certified_key(&certificate.cert, &certificate.key) {
            Ok(key) => {
                for name in names(&key) {
                    found.by_name.entry(name).or_insert_with(|| Arc::clone(&key));
                }
                found.first.get_or_insert(key);
            }
            Err(what) => {
                problems.add(path.key("certificates").item(index), what, "give a PEM certificate chain and its PEM private key");
                complete = false;
            }
        }
    }
    if tls.certificates.is_empty() {
        problems.add(path.key("certificates"), "a TLS listener needs a certificate", "list one `{ cert: …, key: … }`");
        complete = false;
    }
    complete.then_some(found)
}

fn certified_key(cert: &FilePath, key: &FilePath) -> Result<Arc<CertifiedKey>, String> {
    let unreadable = |path: &FilePath, error: &dyn std::fmt::Display| format!("`{}`: {error}", path.display());
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(cert, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    CertifiedKey::from_der(chain, private, &rustls::crypto::aws_lc_rs::default_provider())
        .map(Arc::new)
        .map_err(|error| format!("`{}` and `{}` do not fit: {error}", cert.display(), key.display()))
}

/// When a certificate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Its first DNS name, or its file.
    pub name: String,
    pub at: Timestamp,
}

/// When each certificate of a listener ends, as the files say now. One that cannot be read is [`compile`]'s problem.
pub fn expiries(tls: &Tls) -> impl Iterator<Item = Expiry> {
    tls.certificates.iter().filter_map(|certificate| {
        let key = certified_key(&certificate.cert, &certificate.key).ok()?;
        let (_, leaf) = x509_parser::parse_x509_certificate(key.cert.first()?).ok()?;
        let name = names(&key).into_iter().next().unwrap_or_else(|| certificate.cert.display().to_string());
        Some(Expiry { name, at: Timestamp::from_seconds(leaf.validity().not_after.timestamp()) })
    })
}

/// The DNS names in the leaf's subjectAltName (RFC 6125 §6.4), in lower case.
fn names(key: &CertifiedKey) -> Vec<String> {
    let Some(leaf) = key.cert.first() else { return Vec::new() };
    let Ok((_, leaf)) = x509_parser::parse_x509_certificate(leaf) else { return Vec::new() };
    let Ok(Some(alternatives)) = leaf.subject_alternative_name() else { return Vec::new() };
    alternatives
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

fn authorities(ca: &FilePath, path: &Path, problems: &mut Problems) -> Option<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    let added = CertificateDer::pem_file_iter(ca)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| error.to_string())
        .and_then(|certificates| certificates.into_iter().try_for_each(|one| roots.add(one).map_err(|error| error.to_string())));
    match added {
        Ok(()) if !roots.is_empty() => Some(roots),
        Ok(()) => {
            problems.add(path.clone(), format!("`{}` holds no certificate", ca.display()), "give a PEM file");
            None
        }
        Err(error) => {
            problems.add(path.clone(), format!("`{}`: {error}", ca.display()), "give a PEM file of certificates");
            None
        }
    }
}
