//! Cookies, states, form tokens, mailed links and codes: two texts, as a stranger sends them.
//!
//! Finds a panic, and anything that is taken although nobody sealed it.
#![no_main]

use std::sync::LazyLock;

use doorward::login::examine::Decoders;
use libfuzzer_sys::fuzz_target;

static DECODERS: LazyLock<Decoders> = LazyLock::new(|| {
    let config = serde_yaml::from_str(include_str!("../seeds/decoders/doorward.yaml")).expect("the seed is a configuration");
    Decoders::new(&config).expect("keys are derived from it")
});

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (name, value) = text.split_once('\n').unwrap_or((&text, ""));
    assert!(!DECODERS.take(name, value), "taken though nobody sealed it: {text}");
    let (link, code) = Decoders::mailed(value);
    assert!(!link || value.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert!(code.is_none_or(|code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())));
});
