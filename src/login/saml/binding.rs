//! How messages travel through browsers: HTTP-Redirect and HTTP-POST (SAML Bindings §3.4 and §3.5).
//!
//! Refuses a query in which a parameter stands twice, a message that grows beyond bounds when unpacked, and a detached signature over
//! anything but the very bytes that came: what is decoded and encoded again may be other bytes (threats S2, S11).

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::key::OwnKey;
use super::names;
use super::refusal::Refusal;
use super::signature::Trust;
use super::tree::LARGEST;

/// What needs no escaping in a query (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Longest relay state, in bytes (SAML Bindings §3.4.3 allows 80; some providers send addresses).
const LONGEST_RELAY_STATE: usize = 2048;

/// Whether a message asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Response,
}

impl Direction {
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// A message that came.
pub(super) struct Received {
    pub direction: Direction,
    pub text: String,
    pub relay_state: Option<String>,
    /// Of the redirect binding.
    pub detached: Option<Detached>,
}

/// A signature beside a message, over the query as it was sent.
pub(super) struct Detached {
    signed: String,
    algorithm: String,
    signature: Vec<u8>,
}

/// The address that carries `text` to `location`, signed with `key` where there is one.
pub(super) fn redirect_address(
    location: &str,
    direction: Direction,
    text: &str,
    relay_state: Option<&str>,
    key: Option<&OwnKey>,
) -> Result<String, SigningFailed> {
    let escape = |value: &str| utf8_percent_encode(value, ESCAPED).to_string();
    let mut query = format!("{}={}", direction.parameter(), escape(&deflate(text)?));
    if let Some(state) = relay_state {
        query.extend(["&RelayState=", &escape(state)]);
    }
    if let Some(key) = key {
        query.extend(["&SigAlg=", &escape(names::RSA_SHA256)]);
        let signature = key.sign(query.as_bytes()).ok_or(SigningFailed)?;
        query.extend(["&Signature=", &escape(&STANDARD.encode(signature))]);
    }
    let (location, fragment) = location.split_once('#').map_or((location, None), |(before, after)| (before, Some(after)));
    let joint = if location.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    Ok(format!("{location}{joint}{query}{fragment}"))
}

/// The library did not sign or pack.
#[derive(Debug, thiserror::Error)]
#[error("a message could not be signed")]
pub(super) struct SigningFailed;

fn deflate(text: &str) -> Result<String, SigningFailed> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).map_err(|_| SigningFailed)?;
    Ok(STANDARD.encode(encoder.finish().map_err(|_| SigningFailed)?))
}

/// Reads a message from a query.
pub(super) fn from_query(query: &str) -> Result<Received, Refusal> {
    let one = |name: &str| -> Result<Option<&str>, Refusal> {
        let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(found, _)| *found == name);
        let first = found.next().map(|(_, value)| value);
        if found.next().is_some() { Err(Refusal::RepeatedParameter) } else { Ok(first) }
    };
    let (request, response) = (one("SAMLRequest")?, one("SAMLResponse")?);
    let (direction, packed) = match (request, response) {
        (Some(packed), None) => (Direction::Request, packed),
        (None, Some(packed)) => (Direction::Response, packed),
        _ => return Err(Refusal::MessageMissing),
    };
    let relay_state = one("RelayState")?;
    let detached = match (one("SigAlg")?, one("Signature")?) {
        (Some(algorithm), Some(signature)) => {
            // SAML Bindings §3.4.4.1: in this order, and as sent.
            let mut signed = format!("{}={packed}", direction.parameter());
            if let Some(state) = relay_state {
                signed.extend(["&RelayState=", state]);
            }
            signed.extend(["&SigAlg=", algorithm]);
            let signature = STANDARD.decode(unescape(signature)?).map_err(|_| Refusal::QuerySignature)?;
            Some(Detached { signed, algorithm: unescape(algorithm)?, signature })
        }
        (None, None) => None,
        _ => return Err(Refusal::QuerySignature),
    };
    Ok(Received {
        direction,
        text: inflate(&unescape(packed)?)?,
        relay_state: relay_state.map(unescape).transpose()?.and_then(short),
        detached,
    })
}

/// Reads a message from a form's fields.
pub(super) fn from_form(fields: &[(String, String)]) -> Result<Received, Refusal> {
    let one = |name: &str| -> Result<Option<&str>, Refusal> {
        let mut found = fields.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let first = found.next();
        if found.next().is_some() { Err(Refusal::RepeatedParameter) } else { Ok(first) }
    };
    let (direction, packed) = match (one("SAMLRequest")?, one("SAMLResponse")?) {
        (Some(packed), None) => (Direction::Request, packed),
        (None, Some(packed)) => (Direction::Response, packed),
        _ => return Err(Refusal::MessageMissing),
    };
    let relay_state = one("RelayState")?.map(str::to_owned).and_then(short);
    Ok(Received { direction, text: super::response::decode(packed)?, relay_state, detached: None })
}

fn short(state: String) -> Option<String> {
    (!state.is_empty() && state.len() <= LONGEST_RELAY_STATE).then_some(state)
}

/// Percent-encoding and `+`, as queries have them.
fn unescape(value: &str) -> Result<String, Refusal> {
    let spaced = value.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| Refusal::Encoding)
}

fn inflate(packed: &str) -> Result<String, Refusal> {
    let compact: Vec<u8> = packed.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(compact).map_err(|_| Refusal::Encoding)?;
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX) + 1;
    let mut text = String::new();
    DeflateDecoder::new(bytes.as_slice()).take(limit).read_to_string(&mut text).map_err(|_| Refusal::Encoding)?;
    if text.len() > LARGEST { Err(Refusal::TooLarge) } else { Ok(text) }
}

impl Detached {
    /// Whether one of the trusted keys made it.
    pub(super) fn verify(&self, trust: &Trust) -> Result<(), Refusal> {
        if names::SHA1_METHODS.contains(&self.algorithm.as_str()) {
            return Err(Refusal::Sha1);
        }
        if !names::SIGNATURE_METHODS.contains(&self.algorithm.as_str()) {
            return Err(Refusal::Algorithm(super::judge::shorten(&self.algorithm)));
        }
        let algorithm = bergshamra::crypto::sign::from_uri(&self.algorithm).map_err(|_| Refusal::QuerySignature)?;
        let holds = |key: &bergshamra::Key| {
            let fits = bergshamra::crypto::sign::key_algorithm_matches_signature_uri(&self.algorithm, key.data.algorithm());
            let key = key.to_signing_key().ok().flatten().filter(|_| fits);
            key.is_some_and(|key| algorithm.verify(&key, self.signed.as_bytes(), &self.signature).unwrap_or(false))
        };
        if trust.keys().any(holds) { Ok(()) } else { Err(Refusal::QuerySignature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_out_of_a_query_as_it_went_in() {
        let address = redirect_address("https://idp.example/sso?x=1", Direction::Request, "<a/>", Some("a&b=c"), None).unwrap();
        let query = address.split_once('?').unwrap().1;
        let received = from_query(query).unwrap();
        assert_eq!((received.text.as_str(), received.relay_state.as_deref()), ("<a/>", Some("a&b=c")));
        assert!(received.direction == Direction::Request && received.detached.is_none());
        for (query, reason) in [
            (format!("{query}&RelayState=x"), "saml_repeated_parameter"),
            (format!("{query}&SAMLResponse=x"), "saml_message_missing"),
            ("RelayState=x".to_owned(), "saml_message_missing"),
            (format!("{query}&SigAlg=x"), "saml_query_signature"),
            ("SAMLRequest=%21".to_owned(), "saml_encoding"),
        ] {
            assert_eq!(from_query(&query).err().map(|refusal| refusal.reason()), Some(reason), "{query}");
        }
    }

    #[test]
    fn s11_a_deflate_bomb_is_refused_before_it_unfolds() {
        let packed = deflate(&"x".repeat(50_000_000)).unwrap();
        let query = format!("SAMLRequest={}", utf8_percent_encode(&packed, ESCAPED));
        assert_eq!(from_query(&query).err().map(|refusal| refusal.reason()), Some("saml_too_large"));
    }
}
