//! Encrypted assertions and name identifiers (SAML Core §6, XML Encryption 1.1).
//!
//! Refuses keys that are not transported with RSA-OAEP and contents that are not AES, and says nothing of why opening failed, because
//! every difference that can be seen helps whoever guesses at the contents (threats S12).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra::crypto::cipher;
use bergshamra::crypto::keytransport::{OaepParams, from_uri_with_params};

use super::names;
use super::refusal::Refusal;
use super::tree::{Element, LARGEST, Tree};

/// The key that assertions are encrypted for. No Debug of what is in it.
pub(super) struct DecryptionKey(bergshamra::SoftwareKey);

impl std::fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecryptionKey")
    }
}

/// What was in an encrypted element: a tree of its own, whose root is a wrapper that declares what was in force around it.
pub(super) struct Opened {
    pub tree: Tree,
    /// Whether the encryption itself shows that nobody changed it.
    pub authenticated: bool,
}

impl DecryptionKey {
    /// `None` unless it is an RSA private key.
    pub(super) fn new(key: &bergshamra::Key) -> Option<Self> {
        let own = key.has_private_key() && key.algorithm_name() == "RSA";
        key.software_key().ok().flatten().filter(|_| own).map(Self)
    }
}

/// Opens an `EncryptedAssertion` or an `EncryptedID`.
pub(super) fn open(sealed: Element<'_>, key: &DecryptionKey) -> Result<Opened, Refusal> {
    let data = sealed.one(names::ENCRYPTION, "EncryptedData").ok_or(Refusal::Undecryptable)?;
    let algorithm = method(data)?;
    let authenticated = names::AES_GCM.contains(&algorithm);
    if !authenticated && !names::AES_CBC.contains(&algorithm) {
        return Err(Refusal::EncryptionAlgorithm(algorithm.chars().take(200).collect()));
    }
    let wrapped = transported(sealed, data)?;
    // From here on nothing is said of what went wrong.
    let opened = unwrap(wrapped, key).and_then(|secret| decrypt(data, algorithm, &secret));
    let plain = opened.and_then(|plain| String::from_utf8(plain).ok()).ok_or(Refusal::Undecryptable)?;
    let tree = Tree::parse(&within(sealed, &plain)?).map_err(|_| Refusal::Undecryptable)?;
    Ok(Opened { tree, authenticated })
}

/// The encrypted key: within the data's `KeyInfo`, or beside the data (SAML Core §2.3.4 leaves both open).
fn transported<'t>(sealed: Element<'t>, data: Element<'t>) -> Result<Element<'t>, Refusal> {
    let inside = data.one(names::SIGNATURE, "KeyInfo").and_then(|info| info.one(names::ENCRYPTION, "EncryptedKey"));
    let wrapped = inside.or_else(|| sealed.one(names::ENCRYPTION, "EncryptedKey")).ok_or(Refusal::Undecryptable)?;
    let algorithm = method(wrapped)?;
    if names::RSA_OAEP.contains(&algorithm) {
        Ok(wrapped)
    } else {
        Err(Refusal::EncryptionAlgorithm(algorithm.chars().take(200).collect()))
    }
}

fn unwrap(wrapped: Element<'_>, key: &DecryptionKey) -> Option<Vec<u8>> {
    let method = wrapped.one(names::ENCRYPTION, "EncryptionMethod")?;
    let child = |name: &str| method.children().find(|child| child.name() == name);
    let named = |name: &str| child(name).and_then(|child| child.attribute("Algorithm")).map(str::to_owned);
    let label = child("OAEPparams").and_then(Element::text).map(|text| STANDARD.decode(text));
    let params = OaepParams { digest_uri: named("DigestMethod"), mgf_uri: named("MGF"), oaep_params: label.transpose().ok()? };
    let transport = from_uri_with_params(method.attribute("Algorithm")?, params).ok()?;
    transport.decrypt(&key.0, &cipher_value(wrapped)?).ok()
}

fn decrypt(data: Element<'_>, algorithm: &str, secret: &[u8]) -> Option<Vec<u8>> {
    let cipher = cipher::from_uri(algorithm).ok()?;
    if secret.len() != cipher.key_size() {
        return None;
    }
    cipher.decrypt(secret, &cipher_value(data)?).ok()
}

fn method(element: Element<'_>) -> Result<&str, Refusal> {
    let method = element.one(names::ENCRYPTION, "EncryptionMethod").and_then(|method| method.attribute("Algorithm"));
    method.ok_or(Refusal::Undecryptable)
}

/// What is given in place; a `CipherReference` is never followed (threats S13).
fn cipher_value(element: Element<'_>) -> Option<Vec<u8>> {
    let text = element.one(names::ENCRYPTION, "CipherData")?.one(names::ENCRYPTION, "CipherValue")?.text()?;
    let compact: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

/// `plain` in an element that declares the namespaces in force where it stood, as XML Encryption §4.3.3 wants it read.
fn within(sealed: Element<'_>, plain: &str) -> Result<String, Refusal> {
    if plain.len() > LARGEST {
        return Err(Refusal::TooLarge);
    }
    // A declaration of its own cannot stand in the middle of a text.
    let plain = plain.trim_start_matches('\u{feff}').trim_start();
    let plain = match plain.strip_prefix("<?xml ").and_then(|rest| rest.split_once("?>")) {
        Some((_, rest)) => rest,
        None => plain,
    };
    let mut text = String::with_capacity(plain.len() + 256);
    text.push_str("<decrypted");
    for (prefix, name) in sealed.namespaces() {
        let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        match prefix.as_str() {
            "" => text.extend([" xmlns=\"", &name, "\""]),
            "xml" | "xmlns" => {}
            prefix => text.extend([" xmlns:", prefix, "=\"", &name, "\""]),
        }
    }
    text.push('>');
    text.push_str(plain);
    text.push_str("</decrypted>");
    Ok(text)
}
