//! Signed messages taken to pieces and put together otherwise: none may say anything but what was signed.
//!
//! Refuses to be content with shapes that somebody has published. `PROPTEST_CASES` says how many are tried.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::forge::{Draft, Forge, SHA256, template};
use super::scramble::{GOOD, scramble};

/// Usually enough to have every change combined with every other some hundred times.
const CASES: u32 = 3000;

#[test]
fn s1_however_a_signed_message_is_put_together_it_says_what_was_signed_or_nothing() {
    let Some(forge) = Forge::get() else { return };
    let draft = Draft::default();
    let both = draft.response(&template("_response", SHA256), &forge.assertion(&draft, "idp", SHA256));
    let seeds = [forge.signed_assertion(&draft), forge.signed_response(&draft), forge.sign(&both, "_response", "idp")];
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    let cases = option_env!("PROPTEST_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let mut taken = 0;
    let seen = runner.run(&prop::collection::vec(any::<u8>(), 1..60), |bytes| {
        let text = scramble(&seeds, &bytes);
        if let Ok(judged) = forge.judge(&text) {
            prop_assert_eq!(judged.assertion.name_id.value, GOOD, "{}", text);
            prop_assert_eq!(&judged.assertion.attributes[0].values, &["staff"]);
        }
        Ok(())
    });
    seen.unwrap();
    for bytes in 0..=u8::MAX {
        taken += u32::from(forge.judge(&scramble(&seeds, &[bytes])).is_ok());
    }
    assert_eq!(taken, 256, "what was not changed is taken");
}
