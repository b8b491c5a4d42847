//! The webhook's certificate: made, read, and judged as an API server would.
//!
//! Refuses to keep the key of the authority that signs it: each certificate has an authority of its own, whose key is forgotten at once,
//! so that nobody who reads the Secret can make another one.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{RootCertStore, ServerConfig};

use crate::clock::Timestamp;
use crate::crypto::random::{self, NoRandomness};

/// What all authorities of injectors are called.
const AUTHORITY: &str = "Doorward injector";
/// Clocks of a cluster differ by so much.
const SKEW: Duration = Duration::from_secs(300);
const END: &str = "-----END CERTIFICATE-----";

/// Why a certificate cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("no certificate could be made")]
    Made(#[from] rcgen::Error),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error("that is not PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("the certificate and its key are of no use")]
    Tls(#[from] rustls::Error),
    #[error("the authority is of no use")]
    Authority(#[from] rustls::server::VerifierBuilderError),
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("`{0}` is no name that a certificate could have")]
    Name(String),
}

/// A certificate with its key and its authority, all as PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) authority: String,
}

/// Says nothing of the key.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// When a certificate begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) begins: Timestamp,
    pub(super) ends: Timestamp,
}

impl Life {
    /// Whether less than a third is left.
    pub(super) fn is_due(self, now: Timestamp) -> bool {
        self.ends.since(now) < self.ends.since(self.begins) / 3
    }
}

/// Makes an authority and a certificate for these names. Takes a few milliseconds.
pub(super) fn make(names: &[String], now: Timestamp, lifetime: Duration) -> Result<Pair, CertificateError> {
    let (begins, ends) = (now.before(SKEW).seconds(), now.after(lifetime).seconds());
    let moment = |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    // One name for each, so that a bundle of two is no riddle.
    authority.distinguished_name.push(DnType::CommonName, format!("{AUTHORITY} {}", random::alphanumeric(8)?));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    (authority.not_before, authority.not_after) = (moment(begins), moment(ends));
    let authority_certificate = authority.self_signed(&authority_key)?;
    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(names.to_vec())?;
    server.distinguished_name.push(DnType::CommonName, "Doorward injector");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.use_authority_key_identifier_extension = true;
    (server.not_before, server.not_after) = (moment(begins), moment(ends));
    let certificate = server.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem(), authority: authority_certificate.pem() })
}

/// What connections are served with, and how long it is good.
pub(super) fn serving(certificate: &[u8], key: &[u8]) -> Result<(Arc<ServerConfig>, Life), CertificateError> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>()?;
    let life = life(chain.first().ok_or(CertificateError::Unreadable)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_slice(key)?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), life))
}

/// Whether an API server that trusts the pair's own authority would take it for each of these names now.
pub(super) fn check(pair: &Pair, names: &[String], now: Timestamp) -> Result<(), CertificateError> {
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let (leaf, intermediates) = chain.split_first().ok_or(CertificateError::Unreadable)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pair.authority.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.seconds()).unwrap_or(0)));
    for name in names {
        let name = ServerName::try_from(name.as_str()).map_err(|_| CertificateError::Name(name.clone()))?;
        verifier.verify_server_cert(leaf, intermediates, &name, &[], now)?;
    }
    Ok(())
}

fn life(certificate: &CertificateDer<'_>) -> Result<Life, CertificateError> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).map_err(|_| CertificateError::Unreadable)?;
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
    Ok(Life { begins: moment(read.validity().not_before), ends: moment(read.validity().not_after) })
}

/// The bundle that trusts `authority`, and for as long as they are good those injectors' authorities that were trusted before: another
/// replica may still serve with one of them.
pub(super) fn bundle(authority: &str, before: &str, now: Timestamp) -> String {
    let mut bundle = authority.trim().to_owned() + "\n";
    for one in before.split_inclusive(END).map(str::trim) {
        if !one.is_empty() && !bundle.contains(one) && is_former(one, now) {
            bundle.push_str(one);
            bundle.push('\n');
        }
    }
    bundle
}

fn is_former(pem: &str, now: Timestamp) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return false };
    let Ok((_, read)) = x509_parser::parse_x509_certificate(&certificate) else { return false };
    let named = read.subject().iter_common_name().any(|name| name.as_str().is_ok_and(|name| name.starts_with(AUTHORITY)));
    named && Timestamp::from_seconds(read.validity().not_after.timestamp()) > now
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86400);

    fn names() -> Vec<String> {
        vec!["inject.door.svc".to_owned(), "127.0.0.1".to_owned()]
    }

    #[test]
    fn a_certificate_is_good_for_its_names_and_its_time_and_with_its_own_authority_only() {
        let (pair, other) = (make(&names(), NOW, 90 * DAY).unwrap(), make(&names(), NOW, 90 * DAY).unwrap());
        check(&pair, &names(), NOW).unwrap();
        assert!(check(&pair, &["other.door.svc".to_owned()], NOW).is_err());
        assert!(check(&pair, &names(), NOW.after(91 * DAY)).is_err());
        assert!(check(&pair, &names(), NOW.before(DAY)).is_err());
        let mixed = Pair { authority: other.authority, ..pair.clone() };
        assert!(check(&mixed, &names(), NOW).is_err(), "an authority that did not sign it was believed");
        let (_, life) = serving(pair.certificate.as_bytes(), pair.key.as_bytes()).unwrap();
        assert!(!life.is_due(NOW.after(59 * DAY)) && life.is_due(NOW.after(61 * DAY)));
        assert!(serving(pair.certificate.as_bytes(), other.key.as_bytes()).is_err(), "a key of another was taken");
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_bundle_keeps_the_former_authority_until_it_ends_and_no_stranger() {
        let (old, new) = (make(&names(), NOW, 3 * DAY).unwrap(), make(&names(), NOW, 90 * DAY).unwrap());
        let stranger = rcgen::generate_simple_self_signed(names()).unwrap().cert.pem();
        let before = format!("{}{stranger}", old.authority);
        let both = bundle(&new.authority, &before, NOW);
        assert!(both.contains(new.authority.trim()) && both.contains(old.authority.trim()) && !both.contains(stranger.trim()));
        assert_eq!(bundle(&new.authority, &both, NOW), both, "a bundle that is right is left as it is");
        assert_eq!(bundle(&new.authority, &both, NOW.after(4 * DAY)).matches(END).count(), 1);
        assert_eq!(bundle(&new.authority, "junk", NOW).matches(END).count(), 1);
    }
}
