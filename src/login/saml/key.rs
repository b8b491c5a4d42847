//! Our own key: what requests are signed with and assertions are encrypted for.
//!
//! Refuses a key that is not RSA, because assertions are encrypted for it, and one whose certificate is another key's. There is no
//! Debug of what is in it.

use bergshamra::keys::loader::{load_pem_auto, load_x509_cert_der};
use bergshamra::{DsigContext, KeysManager};

use super::certificate;
use super::decrypt::DecryptionKey;
use super::names;

/// A key with its certificate.
pub(super) struct OwnKey {
    key: bergshamra::Key,
    context: DsigContext,
    pub certificate: Vec<u8>,
    pub decryption: DecryptionKey,
}

impl std::fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnKey")
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableKey {
    #[error("the key is not an RSA private key in PEM")]
    NotRsa,
    #[error("the certificate cannot be read as PEM")]
    Certificate,
    #[error("the certificate is not the key's")]
    AnotherKey,
}

impl OwnKey {
    /// Both as PEM.
    pub(super) fn new(key: &str, certificate: &str) -> Result<Self, UnusableKey> {
        let key = load_pem_auto(key.as_bytes(), None).map_err(|_| UnusableKey::NotRsa)?;
        let decryption = DecryptionKey::new(&key).ok_or(UnusableKey::NotRsa)?;
        let certificate =
            certificate::from_pem(certificate).and_then(|all| all.into_iter().next()).ok_or(UnusableKey::Certificate)?;
        let public = load_x509_cert_der(&certificate).map_err(|_| UnusableKey::Certificate)?;
        if public.to_spki_der().is_none() || public.to_spki_der() != key.to_spki_der() {
            return Err(UnusableKey::AnotherKey);
        }
        let mut keys = KeysManager::new();
        keys.add_key(key.clone());
        Ok(Self { key, context: DsigContext::new(keys), certificate, decryption })
    }

    /// RSA with SHA-256 over `bytes`.
    pub(super) fn sign(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let key = self.key.to_signing_key().ok().flatten()?;
        bergshamra::crypto::sign::from_uri(names::RSA_SHA256).ok()?.sign(&key, bytes).ok()
    }

    /// A message with its signature filled in; [`Self::template`] stands where it is to be.
    pub(super) fn sign_message(&self, text: String) -> Option<String> {
        bergshamra::dsig::sign::sign_owned(&self.context, text).ok()
    }

    /// An empty signature over the element with `id`.
    pub(super) fn template(&self, id: &str) -> String {
        let (signature, exclusive, method) = (names::SIGNATURE, names::EXCLUSIVE, names::RSA_SHA256);
        let (enveloped, digest) = (names::ENVELOPED, names::DIGEST_METHODS[0]);
        let certificate = certificate::to_base64(&self.certificate);
        format!(
            "<ds:Signature xmlns:ds=\"{signature}\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{exclusive}\"/>\
             <ds:SignatureMethod Algorithm=\"{method}\"/><ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{enveloped}\"/><ds:Transform Algorithm=\"{exclusive}\"/></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{digest}\"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>\
             <ds:SignatureValue></ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate>\
             </ds:X509Data></ds:KeyInfo></ds:Signature>"
        )
    }
}
