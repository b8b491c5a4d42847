//! Names that SAML 2.0 and XML security give to things, and which algorithms are taken.
//!
//! Refuses by leaving out: an algorithm that is not listed here is not used, because the message chooses the name and an attacker
//! writes messages (threats S5).

/// SAML Core §1.1: assertions.
pub(super) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// SAML Core §1.1: requests and responses.
pub(super) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// SAML Metadata §1.1.
pub(super) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// XML Signature §1.4.
pub(super) const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML Encryption §1.3.
pub(super) const ENCRYPTION: &str = "http://www.w3.org/2001/04/xmlenc#";

/// SAML Bindings §3.4.
pub(super) const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
/// SAML Bindings §3.5.
pub(super) const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// SAML Core §3.2.2.2.
pub(super) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// SAML Profiles §3.3.
pub(super) const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// SAML Core §8.3.2.
pub(super) const EMAIL_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
/// SAML Core §8.3.7.
pub(super) const PERSISTENT_FORMAT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
/// SAML Core §8.3.8.
pub(super) const TRANSIENT_FORMAT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// SAML Core §8.3.1.
pub(super) const UNSPECIFIED_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";

/// XML Signature §6.6.4.
pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// Exclusive XML Canonicalization 1.0, the one that SAML asks for (SAML Core §5.4.3).
pub(super) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// RFC 6931 §2.3.2.
pub(super) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
/// RFC 6931: RSA and ECDSA with SHA-2. No HMAC, because a public key must never become a shared secret.
pub(super) const SIGNATURE_METHODS: [&str; 9] = [
    RSA_SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1",
];
/// SHA-2 digests.
pub(super) const DIGEST_METHODS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];
/// What uses SHA-1, which has a refusal of its own: it is what a provider of long ago is still set to.
pub(super) const SHA1_METHODS: [&str; 4] = [
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
    "http://www.w3.org/2000/09/xmldsig#sha1",
];

/// XML Encryption 1.1 §5.2.4: authenticated, therefore preferred.
pub(super) const AES_GCM: [&str; 3] = [
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2009/xmlenc11#aes192-gcm",
    "http://www.w3.org/2009/xmlenc11#aes256-gcm",
];
/// XML Encryption §5.2.2: what many providers still send.
pub(super) const AES_CBC: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
];
/// XML Encryption §5.4.2. PKCS#1 v1.5 is not taken: it answers whoever asks often enough.
pub(super) const RSA_OAEP: [&str; 2] =
    ["http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "http://www.w3.org/2009/xmlenc11#rsa-oaep"];
