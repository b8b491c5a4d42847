//! SAML messages: bytes as they are, and signed messages put together otherwise as the bytes say.
//!
//! Finds a panic, a message that takes too long or too much memory, and one that is believed to be about somebody whom nobody signed.
#![no_main]

use doorward::login::saml::examine;
use libfuzzer_sys::fuzz_target;

#[path = "../../src/login/saml/tests/scramble.rs"]
mod scramble;

const CERTIFICATE: &str = include_str!("../seeds/saml/idp.pem");
const SEEDS: [&str; 3] = [
    include_str!("../seeds/saml/assertion.xml"),
    include_str!("../seeds/saml/response.xml"),
    include_str!("../seeds/saml/both.xml"),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = match kind % 2 {
        0 => scramble::scramble(&SEEDS, rest),
        _ => String::from_utf8_lossy(rest).into_owned(),
    };
    if let Some(name) = examine::response(&text, CERTIFICATE) {
        assert_eq!(name, scramble::GOOD, "{text}");
    }
    assert!(!examine::anything(&text, CERTIFICATE), "taken though nobody signed it: {text}");
});
