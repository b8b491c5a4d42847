//! What strangers can send, read as far as it goes, without a door around it: what `fuzz/` calls.
//!
//! Refuses to differ from what the door does: it is the same functions in the same order.

use std::time::Duration;

use super::binding::{from_form, from_query};
use super::idp::IdentityProvider;
use super::judge::Expected;
use super::response::{Keys, Response};
use super::signature::Trust;
use super::{certificate, logout};
use crate::clock::Timestamp;

/// The issuer, audience, consumer, request and second (since 1970) that messages in tests are about.
pub const ISSUER: &str = "https://idp.example/metadata";
pub const AUDIENCE: &str = "https://app.example/.doorward/saml/corp/metadata";
pub const ACS: &str = "https://app.example/.doorward/saml/corp/acs";
pub const REQUEST: &str = "_request";
pub const SECOND: i64 = 1_800_000_000;

/// Whom a response proves somebody to be, to a door that trusts `certificate` (PEM); `None` where it is refused.
#[must_use]
pub fn response(text: &str, certificate: &str) -> Option<String> {
    let trust = Trust::new(certificate::from_pem(certificate)?).ok()?;
    let expected = Expected {
        issuer: ISSUER,
        audience: AUDIENCE,
        acs: ACS,
        request: Some(REQUEST),
        now: Timestamp::from_seconds(SECOND),
        skew: Duration::from_secs(60),
        signed_assertion: false,
        signed_response: false,
    };
    let judged = Response::parse(text).ok()?.judge(&expected, Keys { trust: &trust, decryption: None }).ok()?;
    Some(judged.assertion.name_id.value)
}

/// Everything else that reads what a stranger wrote: queries, forms, logout requests, metadata. Whether any of it was taken.
#[must_use]
pub fn anything(text: &str, certificate: &str) -> bool {
    let Some(trust) = certificate::from_pem(certificate).and_then(|all| Trust::new(all).ok()) else { return false };
    let fields = [("SAMLRequest".to_owned(), text.to_owned())];
    let received = [from_query(text), from_form(&fields)].into_iter().flatten();
    let logged_out = received.filter(|received| logout::is_signed(received, &trust)).count();
    let metadata = IdentityProvider::read(text, None, Some(&trust));
    logged_out > 0 || metadata.is_ok()
}
