//! RSA keys of less than 2048 bits, which documents of long ago are signed with.
//!
//! Refuses nothing more and nothing less than the door does: only how long a key has to be differs.

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters,
};
use kryptering::{HashAlgorithm, Result, SignatureAlgorithm, Verifier};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

/// The short keys among some certificates', for one method of signing.
pub(super) struct ShortKeys {
    /// SubjectPublicKeyInfo, DER.
    keys: Vec<Vec<u8>>,
    hash: HashAlgorithm,
    parameters: &'static RsaParameters,
}

impl ShortKeys {
    /// `None` where a key is long enough for the door, or the method is none of RSA's first kind.
    pub(super) fn of(certificates: &[Vec<u8>], method: &str) -> Option<Self> {
        let (hash, parameters) = match method {
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1" => (HashAlgorithm::Sha1, &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => {
                (HashAlgorithm::Sha256, &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
            }
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => {
                (HashAlgorithm::Sha512, &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY)
            }
            _ => return None,
        };
        let keys: Vec<_> = certificates.iter().map(|der| short_key(der)).collect::<Option<_>>()?;
        (!keys.is_empty()).then_some(Self { keys, hash, parameters })
    }
}

fn short_key(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(certificate).unwrap();
    let short = matches!(certificate.public_key().parsed(), Ok(PublicKey::RSA(key)) if key.key_size() < 2048);
    short.then(|| certificate.public_key().raw.to_vec())
}

impl Verifier for ShortKeys {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RsaPkcs1v15(self.hash)
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<bool> {
        let holds = |spki: &Vec<u8>| {
            let key = ParsedPublicKey::new(self.parameters, spki).unwrap();
            key.verify_sig(data, signature).is_ok()
        };
        Ok(self.keys.iter().any(holds))
    }
}
