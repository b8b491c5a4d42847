//! What only the provider may read (XML Encryption 1.1): a name that it sent encrypted goes back encrypted.
//!
//! Refuses a key that is not RSA, and methods that we would not take ourselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra::crypto::{cipher, keytransport};
use bergshamra::keys::loader::load_x509_cert_der;

use super::names;
use crate::crypto::random;

/// The content's cipher where the provider names none.
const USUAL: &str = names::AES_GCM[2];

/// Whom something is encrypted for.
pub(super) struct Recipient {
    key: bergshamra::SoftwareKey,
    cipher: &'static str,
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recipient({})", self.cipher)
    }
}

impl Recipient {
    /// Whoever has the certificate's key; `methods` are those that they say they take (SAML Metadata §2.4.1.1), none if they say nothing.
    /// `None` where there is no common one.
    pub(super) fn new(certificate: &[u8], methods: &[&str]) -> Option<Self> {
        // The list is also of ways to transport the key.
        let is_cipher = |method: &&&str| method.ends_with("-cbc") || method.ends_with("-gcm");
        let ciphers: Vec<&str> = methods.iter().filter(is_cipher).copied().collect();
        let known = names::AES_GCM.into_iter().rev().chain(names::AES_CBC.into_iter().rev());
        let cipher = if ciphers.is_empty() { Some(USUAL) } else { known.into_iter().find(|known| ciphers.contains(known)) }?;
        let key = load_x509_cert_der(certificate).ok().filter(|key| key.algorithm_name() == "RSA")?;
        Some(Self { key: key.software_key().ok().flatten()?, cipher })
    }

    /// `element`, which declares its own namespaces, as an `EncryptedData`. `None` where the library refuses.
    pub(super) fn seal(&self, element: &str) -> Option<String> {
        let (cipher, transport) = (cipher::from_uri(self.cipher).ok()?, keytransport::from_uri(names::RSA_OAEP[0]).ok()?);
        let secret = random::bytes::<32>().ok()?;
        let secret = secret.get(..cipher.key_size())?;
        let content = STANDARD.encode(cipher.encrypt(secret, element.as_bytes()).ok()?);
        let key = STANDARD.encode(transport.encrypt(&self.key, secret).ok()?);
        let (encryption, signature, wrapping) = (names::ENCRYPTION, names::SIGNATURE, names::RSA_OAEP[0]);
        Some(format!(
            "<xenc:EncryptedData xmlns:xenc=\"{encryption}\" Type=\"{encryption}Element\"><xenc:EncryptionMethod Algorithm=\"{}\"/>\
             <ds:KeyInfo xmlns:ds=\"{signature}\"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"{wrapping}\"/>\
             <xenc:CipherData><xenc:CipherValue>{key}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>\
             <xenc:CipherData><xenc:CipherValue>{content}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
            self.cipher
        ))
    }
}

#[cfg(test)]
mod tests {
    use bergshamra::keys::loader::load_pem_auto;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

    use super::*;
    use crate::login::saml::decrypt::{self, DecryptionKey};
    use crate::login::saml::tree::{Element, Tree};

    fn certificate(key: &KeyPair) -> Vec<u8> {
        CertificateParams::new(["idp.example".to_owned()]).unwrap().self_signed(key).unwrap().der().to_vec()
    }

    #[test]
    fn what_is_sealed_for_the_provider_opens_with_its_key_alone() {
        let name = format!("<saml:NameID xmlns:saml=\"{}\">ada@acme.example</saml:NameID>", names::ASSERTION);
        let keys = [(); 2].map(|()| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
        let own = keys.each_ref().map(|key| {
            let pem = key.serialize_pem();
            DecryptionKey::new(&load_pem_auto(pem.as_bytes(), None).unwrap()).unwrap()
        });
        let (usual, cbc) = (vec![], vec![names::AES_CBC[0], "urn:another", names::RSA_OAEP[0]]);
        let mixed = vec![names::AES_CBC[2], names::AES_GCM[0], names::RSA_OAEP[0]];
        for (methods, cipher) in [(usual, names::AES_GCM[2]), (cbc, names::AES_CBC[0]), (mixed, names::AES_GCM[0])] {
            let sealed = Recipient::new(&certificate(&keys[0]), &methods).unwrap().seal(&name).unwrap();
            assert!(sealed.contains(cipher) && !sealed.contains("acme.example"), "{sealed}");
            let around = format!("<saml:EncryptedID xmlns:saml=\"{}\">{sealed}</saml:EncryptedID>", names::ASSERTION);
            let tree = Tree::parse(&around).unwrap();
            let opened = decrypt::open(tree.root().unwrap(), &own[0]).unwrap();
            let found = opened.tree.root().unwrap().one(names::ASSERTION, "NameID").and_then(Element::text);
            assert_eq!(found.as_deref(), Some("ada@acme.example"));
            assert!(decrypt::open(tree.root().unwrap(), &own[1]).is_err(), "another key opens nothing");
        }
        assert!(Recipient::new(&certificate(&keys[0]), &["http://www.w3.org/2001/04/xmlenc#tripledes-cbc"]).is_none());
        let elliptic = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        assert!(Recipient::new(&certificate(&elliptic), &[]).is_none());
    }
}
