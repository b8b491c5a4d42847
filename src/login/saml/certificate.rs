//! Certificates as SAML carries them: PEM in files, bare base64 in metadata and messages.
//!
//! Refuses what is not a certificate; what is in it beyond the key is not judged, because metadata is what is trusted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// DER from base64 with or without line ends.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(compact).ok()?;
    is_one(&der).then_some(der)
}

/// DER of each certificate in a PEM text; a text without PEM lines is taken as base64.
pub(super) fn from_pem(text: &str) -> Option<Vec<Vec<u8>>> {
    if !text.contains("-----BEGIN") {
        return from_base64(text).map(|der| vec![der]);
    }
    let mut found = Vec::new();
    for part in text.split("-----BEGIN CERTIFICATE-----").skip(1) {
        found.push(from_base64(part.split("-----END CERTIFICATE-----").next()?)?);
    }
    (!found.is_empty()).then_some(found)
}

/// As metadata and `KeyInfo` carry it.
pub(super) fn to_base64(der: &[u8]) -> String {
    STANDARD.encode(der)
}

fn is_one(der: &[u8]) -> bool {
    matches!(X509Certificate::from_der(der), Ok((rest, _)) if rest.is_empty())
}
