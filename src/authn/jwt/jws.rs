//! JSON Web Signatures in compact form (RFC 7515 §3.1): what the header may say, and whether the signature is right.
//!
//! Refuses `none`, HMAC, critical extensions and unencoded payloads, and takes no key from the token itself (`jwk`, `jku`,
//! `x5u`, `x5c` are not even read), because a token must not choose how it is checked (threats J1, J2, J5, J6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::de::{Deserialize, Deserializer, IgnoredAny};

use super::keys::{Key, KeySet};
use crate::authn::reason::Reason;

/// Bytes of the largest token that is looked at.
pub(in crate::authn) const LARGEST: usize = 16 * 1024;
/// Bytes of the longest key id.
const LONGEST_KEY_ID: usize = 128;
/// A token without a key id is tried against so many keys and no more.
const MOST_KEYS_TRIED: usize = 4;

/// A token taken apart; nothing in it is believed yet.
#[derive(Debug)]
pub(in crate::authn) struct Jws<'a> {
    pub(in crate::authn) algorithm: Algorithm,
    pub(in crate::authn) key_id: Option<String>,
    /// In lower case, without `application/` (RFC 7515 §4.1.9).
    pub(in crate::authn) token_type: Option<String>,
    pub(in crate::authn) payload: Vec<u8>,
    message: &'a str,
    signature: &'a str,
}

#[derive(serde::Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

/// True where the member is there at all, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> Jws<'a> {
    /// Takes `token` apart: exactly three parts of unpadded base64url, the first a JSON object.
    pub(in crate::authn) fn parse(token: &'a str) -> Result<Self, Reason> {
        if token.len() > LARGEST {
            return Err(Reason::TooLarge);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Reason::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Reason::Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Malformed);
        let (header, payload) = (decode(header)?, decode(payload)?);
        // A JSON array would be read as the structure's fields in their order.
        if header.first() != Some(&b'{') {
            return Err(Reason::Malformed);
        }
        let header: Header = serde_json::from_slice(&header).map_err(|_| Reason::Malformed)?;
        if header.crit || header.b64 {
            return Err(Reason::CriticalHeader);
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KEY_ID) {
            return Err(Reason::Malformed);
        }
        Ok(Self {
            algorithm: algorithm(&header.alg).ok_or(Reason::Algorithm)?,
            key_id: header.kid,
            token_type: header.typ.map(|typ| normal_type(&typ)),
            payload,
            message,
            signature,
        })
    }

    /// Whether the token names a key of `keys`. If not, the issuer may have a newer one, also where one without a name stood in its place.
    pub(in crate::authn) fn names_key_in(&self, keys: &KeySet) -> bool {
        self.key_id.is_some() && self.candidates(keys).any(|key| key.id == self.key_id)
    }

    /// Checks the signature with a key of `keys`, which must be made for the algorithm.
    pub(in crate::authn) fn verify(&self, keys: &KeySet) -> Result<(), Reason> {
        let candidates: Vec<&Key> = self.candidates(keys).take(MOST_KEYS_TRIED + 1).collect();
        match candidates.len() {
            0 => return Err(Reason::UnknownKey),
            // Two keys of one name leave open which is meant, and many keys without a name are work for nothing.
            more if more > MOST_KEYS_TRIED || (more > 1 && self.key_id.is_some()) => return Err(Reason::UnknownKey),
            _ => {}
        }
        let fits = |key: &&Key| {
            jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), &key.decoding, self.algorithm).unwrap_or(false)
        };
        if candidates.iter().any(fits) { Ok(()) } else { Err(Reason::Signature) }
    }

    fn candidates<'k>(&self, keys: &'k KeySet) -> impl Iterator<Item = &'k Key> {
        let named = |key: &&Key| match (&self.key_id, &key.id) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        keys.iter().filter(move |key| key.takes(self.algorithm)).filter(named)
    }
}

/// The algorithms that are taken (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2): public keys only.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "RS384" => Some(Algorithm::RS384),
        "RS512" => Some(Algorithm::RS512),
        "PS256" => Some(Algorithm::PS256),
        "PS384" => Some(Algorithm::PS384),
        "PS512" => Some(Algorithm::PS512),
        "ES256" => Some(Algorithm::ES256),
        "ES384" => Some(Algorithm::ES384),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

fn normal_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map_or_else(|| typ.clone(), str::to_owned)
}
