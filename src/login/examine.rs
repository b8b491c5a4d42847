//! What strangers can send as cookies, states, form tokens, links and codes, read as far as it goes without a door around it: what
//! `fuzz/` calls.
//!
//! Refuses to differ from what the door does: it is the same functions.

use http::{HeaderMap, HeaderValue, header};

use super::attempt::{Attempts, Found};
use super::form::{Forms, Purpose};
use super::magic_link;
use crate::clock::Timestamp;
use crate::config::{Config, Problems};
use crate::crypto::seal::Unsealable;
use crate::crypto::token;
use crate::session::{Seals, cookie};

/// Long before anything that was really sealed expires.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Everything that reads what a browser says it was given.
#[derive(Debug)]
pub struct Decoders {
    attempts: Attempts,
    forms: Forms,
    seals: Seals,
}

impl Decoders {
    /// Under the keys of `config`.
    pub fn new(config: &Config) -> Result<Self, Unsealable> {
        let master = config.secret_key.expose().as_bytes();
        Ok(Self {
            attempts: Attempts::new(master)?,
            forms: Forms::new(master, config.public_url.clone())?,
            seals: Seals::compile(config, &mut Problems::default()),
        })
    }

    /// Whether anything is taken of what nobody sealed: `name` as a state or tag, `value` as the cookie or token that goes with it.
    #[must_use]
    pub fn take(&self, name: &str, value: &str) -> bool {
        let attempt = cookies(&cookie::attempt_name(name), value);
        let known = |found: Found| !matches!(found, Found::Unknown);
        known(self.attempts.find(&attempt, name, NOW))
            || known(self.attempts.tagged(&attempt, name, NOW))
            || self.forms.check(Purpose::Password, &cookies(cookie::FORM, name), value, NOW).is_ok()
            || self.seals.open(value).is_some()
    }

    /// What is made of a mailed link's token and of a typed code; both only say whether it is worth looking up.
    #[must_use]
    pub fn mailed(text: &str) -> (bool, Option<String>) {
        (token::is_mailed(text), magic_link::typed_code(text))
    }
}

/// A request with this cookie alone, as far as a header can hold it.
fn cookies(name: &str, value: &str) -> HeaderMap {
    let line = HeaderValue::try_from(format!("{name}={value}"));
    line.into_iter().map(|line| (header::COOKIE, line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = include_str!("../../fuzz/seeds/decoders/doorward.yaml");

    #[test]
    fn what_nobody_sealed_is_not_taken_and_what_was_sealed_here_is_told_apart() {
        let decoders = Decoders::new(&serde_yaml::from_str(CONFIG).unwrap()).unwrap();
        assert!(!decoders.take("state", "AAAA"));
        assert!(!decoders.take("", ""));
        let issued = decoders.forms.issue(Purpose::Password, &HeaderMap::new(), NOW).unwrap();
        let set = issued.cookie.unwrap();
        let binding = set.to_str().unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
        assert_eq!(cookie::value(&cookies(cookie::FORM, &binding), cookie::FORM), Some(binding.as_str()));
        assert!(decoders.take(&binding, &issued.token), "the check would be blind otherwise");
        assert_eq!(Decoders::mailed("123 456"), (false, Some("123456".to_owned())));
    }
}
