//! What somebody else's server said, without what may be a secret.
//!
//! Refuses to look for secrets by their names, because a server that fails puts them anywhere: a word is kept if it looks like a word of
//! people or a name of a protocol, and every other one is left out.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::fact::Fact;

/// Bytes kept of a text.
const TEXT: usize = 500;
/// What stands for what was left out.
const LEFT_OUT: &str = "[left out]";
/// Longest word that is kept if it does not mix small letters, capital letters and digits. A code of six digits is kept, and is of no use
/// after the failure.
const SHORT: usize = 12;
/// Longest part of a longer word that may mix letters of one case with digits, such as `oauth2`.
const SYLLABLE: usize = 8;
/// Longest word of letters alone.
const WORD: usize = 24;
/// Longest chain of words, such as `interaction_required`.
const CHAIN: usize = 64;
/// Values kept of a list.
const LIST: usize = 10;

/// Members of an error answer that are known to explain it: RFC 6749 §5.2, RFC 6750 §3, RFC 7807, and what Entra ID, Okta, GitHub and
/// Google add.
const EXPLAINING: [&str; 25] = [
    "cause",
    "code",
    "correlation_id",
    "detail",
    "documentation_url",
    "error",
    "error_codes",
    "error_description",
    "error_reason",
    "error_subtype",
    "error_uri",
    "errorCode",
    "errorId",
    "errorLink",
    "errorSummary",
    "expires_in",
    "message",
    "scope",
    "status",
    "suberror",
    "timestamp",
    "title",
    "token_type",
    "trace_id",
    "type",
];

/// Last parts of SAML's second-level status codes (Core §3.2.2.2) that do not look like words.
const SAML_STATUSES: [&str; 8] = [
    "InvalidAttrNameOrValue",
    "InvalidNameIDPolicy",
    "NoAuthnContext",
    "NoAvailableIDP",
    "NoPassive",
    "NoSupportedIDP",
    "ResourceNotRecognized",
    "UnknownAttrProfile",
];

/// A text from outside, bounded, without what may be a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redacted(String);

impl Redacted {
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(TEXT * 4)];
        let mut kept = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let end = rest.find(|letter: char| !is_inside(letter)).unwrap_or(rest.len());
            let (word, after) = if end == 0 { rest.split_at(letter.len_utf8()) } else { rest.split_at(end) };
            kept.push_str(match end {
                0 if letter.is_control() => " ",
                0 => word,
                _ if is_plain(word) => word,
                _ => LEFT_OUT,
            });
            rest = after;
        }
        kept.truncate(kept.floor_char_boundary(TEXT));
        Self(kept)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Fact for Redacted {
    const FORM: &'static str = "text, bounded, without what may be a secret";

    fn value(&self) -> Value {
        self.0.as_str().into()
    }
}

/// Whether a secret may be written with it: the letters of base64 in its two forms, of percent-encoding, and of a token's parts.
fn is_inside(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '+' | '~' | '%' | '.' | '/')
}

/// Whether it is short, or each part between its dots and slashes, as of a host or a path, is one that people write: base64 has slashes, too.
fn is_plain(word: &str) -> bool {
    if word.len() > SHORT {
        return word.split(['.', '/']).all(is_plain_part);
    }
    let has = |kind: fn(char) -> bool| word.contains(kind);
    !(has(|letter| letter.is_ascii_digit()) && has(char::is_lowercase) && has(char::is_uppercase))
}

fn is_plain_part(part: &str) -> bool {
    if part.len() == 36 && Uuid::parse_str(part).is_ok() || SAML_STATUSES.contains(&part) {
        return true;
    }
    let of_one_case = !(part.contains(char::is_lowercase) && part.contains(char::is_uppercase));
    if part.len() <= SYLLABLE && of_one_case && part.chars().all(char::is_alphanumeric) {
        return true;
    }
    let letters = |part: &str| part.len() <= WORD && part.chars().all(char::is_alphabetic) && is_written_by_people(part);
    let number = |part: &str| part.len() <= 4 && part.bytes().all(|digit| digit.is_ascii_digit());
    part.len() <= CHAIN && part.split(['_', '-']).all(|part| letters(part) || number(part))
}

/// Small letters, capital letters, or words that each begin with a capital letter and have three letters at least, five on average.
fn is_written_by_people(part: &str) -> bool {
    if part.chars().all(char::is_lowercase) || part.chars().all(char::is_uppercase) {
        return true;
    }
    let mut lengths = Vec::new();
    for letter in part.chars() {
        match lengths.last_mut() {
            Some(length) if !letter.is_uppercase() => *length += 1,
            _ => lengths.push(1_usize),
        }
    }
    lengths.iter().all(|length| *length >= 3) && part.len() >= lengths.len() * 5
}

/// What a provider answered, as far as it explains a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderAnswer(Map<String, Value>);

impl ProviderAnswer {
    /// An answer of one of its endpoints, with its HTTP status. Of a body that is no JSON object only its size is kept.
    #[must_use]
    pub fn of_http(status: u16, body: &[u8]) -> Self {
        let mut answer = Map::from_iter([("http_status".to_owned(), status.into())]);
        match serde_json::from_slice::<Map<String, Value>>(body) {
            Ok(members) => answer.extend(explaining(members)),
            Err(_) => drop(answer.insert("bytes".to_owned(), body.len().into())),
        }
        Self(answer)
    }

    /// Parameters or attributes that it sent the browser back with. The names are ours; what they say is the provider's.
    #[must_use]
    pub fn of_parameters<'p>(parameters: impl IntoIterator<Item = (&'static str, Option<&'p str>)>) -> Self {
        let said = parameters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Redacted::of(value?).value())));
        Self(said.collect())
    }
}

impl Fact for ProviderAnswer {
    const FORM: &'static str = "object: `http_status` and what explains a failure, without what may be a secret";

    fn value(&self) -> Value {
        self.0.clone().into()
    }

    fn is_said(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The members that explain, and how many others there were: not even their names are kept.
fn explaining(members: Map<String, Value>) -> Map<String, Value> {
    let all = members.len();
    let mut kept: Map<String, Value> = members
        .into_iter()
        .filter(|(name, _)| EXPLAINING.contains(&name.as_str()))
        .map(|(name, value)| (name, plain(value, true)))
        .collect();
    if kept.len() < all {
        kept.insert("other_members".to_owned(), (all - kept.len()).into());
    }
    kept
}

/// A value without what may be a secret; of an object inside only what explains, too, and nothing below that.
fn plain(value: Value, outermost: bool) -> Value {
    match value {
        Value::String(text) => Redacted::of(&text).value(),
        Value::Array(items) => items.into_iter().take(LIST).map(|item| plain(item, false)).collect(),
        Value::Object(members) if outermost => {
            let inner = members.into_iter().filter(|(name, _)| EXPLAINING.contains(&name.as_str()));
            Value::Object(inner.map(|(name, value)| (name, plain(value, false))).collect())
        }
        Value::Object(_) => LEFT_OUT.into(),
        number_or_flag => number_or_flag,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_words_of_a_provider_stay() {
        for words in [
            "AADSTS50105: Your administrator has configured the application to block users. Trace ID: 0b0f9c2e-6c5b-4a8e-9a43-1f8f6a1f7f10 \
             Timestamp: 2026-11-22 10:00:00Z",
            "interaction_required",
            "The 'redirect_uri' does not match https://login.acme.example/oauth2/authorize",
            "urn:oasis:names:tc:SAML:2.0:status:RequestDenied",
            "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy",
            "InvalidRequestException",
            "Zugriff verweigert: Ihre Sitzung ist abgelaufen",
        ] {
            assert_eq!(Redacted::of(words).as_str(), words);
        }
    }

    #[test]
    fn what_may_be_a_secret_does_not() {
        for secret in [
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg",
            "SplxlOBeZQQYbYS6WxSbIA",
            "0b0f9c2e6c5b4a8e9a431f8f6a1f7f10",
            "gho_16C7e42F292c6912E7710c838347Ae178B4a",
            "correct-h0rse-battery-staple-2026x",
            "PHNhbWxwOlJlc3BvbnNlIHhtbG5z",
            "AbCdEfGhIjK/LmNoPqRsTuVw",
        ] {
            let told = Redacted::of(&format!("the token {secret} is not good, code={secret}&x=1")).0;
            assert!(told.starts_with("the token [left out]") && told.contains("is not good"), "{told}");
            for part in secret.split('.').filter(|part| part.len() > SHORT) {
                assert!(!told.contains(part), "{told}");
            }
        }
    }

    #[test]
    fn of_an_answer_only_what_explains_it_is_kept() {
        let token = "SplxlOBeZQQYbYS6WxSbIA";
        let answer = json!({
            "error": "invalid_grant", "error_description": format!("bad code {token}"), "access_token": token, token: token,
            "error_codes": [50105, token, { "code": token }], "detail": { "code": "x", "id_token": token, "message": { "code": token } },
        });
        let kept = ProviderAnswer::of_http(400, answer.to_string().as_bytes()).value();
        assert!(!kept.to_string().contains(token), "{kept}");
        let expected = json!({
            "http_status": 400, "error": "invalid_grant", "error_description": "bad code [left out]",
            "error_codes": [50105, "[left out]", "[left out]"], "detail": { "code": "x", "message": "[left out]" }, "other_members": 2,
        });
        assert_eq!(kept, expected);
        assert_eq!(ProviderAnswer::of_http(502, b"<html>").value(), json!({ "http_status": 502, "bytes": 6 }));
    }

    proptest! {
        #[test]
        fn no_random_token_stays_whole(bytes in proptest::collection::vec(any::<u8>(), 16..64)) {
            use base64::Engine as _;
            for token in [
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes),
                base64::engine::general_purpose::STANDARD.encode(&bytes),
                Value::from(bytes.clone()).to_string().replace([',', '[', ']'], "a"),
            ] {
                prop_assert!(!Redacted::of(&token).as_str().contains(&token), "{token}");
            }
        }
    }
}
