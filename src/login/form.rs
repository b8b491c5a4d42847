//! Forms: proof that a POST was filled in on a page of ours, in the browser we showed it to.
//!
//! Refuses a POST that says it comes from another site, and one whose token was not sealed for this browser's cookie and this form,
//! because a form on a stranger's page must neither sign people in nor out (threats C8).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};

use super::SignInError;
use crate::clock::Timestamp;
use crate::crypto::random;
use crate::crypto::seal::{Sealer, Unsealable};
use crate::session::cookie;

/// How long a page may lie open before its form is sent.
const LIFE: Duration = Duration::from_secs(12 * 3600);
const COOKIE_LENGTH: usize = 43;

/// Which form it is; a token for one is none for another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Password,
    /// The e-mail address that says which way.
    Address,
    /// An address to send a letter to.
    Mail,
    /// The code from a letter.
    Code,
    /// The click behind a letter's link.
    Link,
    /// Saying yes to an invitation.
    Invitation,
    SignOut,
    /// Ending one's own sessions.
    Sessions,
    SecondFactor,
    BreakGlass,
    /// A change of one's own second factors.
    Factors,
    /// A change of one's own keys.
    Keys,
}

/// Makes and checks the tokens of forms.
#[derive(Debug)]
pub(super) struct Forms {
    sealer: Sealer,
    /// `https://app.example.com`, as browsers write it in `Origin`.
    origin: String,
}

/// What a form needs: the hidden field, and the cookie it is bound to if the browser has none yet.
pub(super) struct Issued {
    pub token: String,
    pub cookie: Option<HeaderValue>,
}

impl Forms {
    /// `master`: the configuration's secret key.
    pub(super) fn new(master: &[u8], origin: String) -> Result<Self, Unsealable> {
        Ok(Self { sealer: Sealer::new(master, "form")?, origin })
    }

    pub(super) fn issue(&self, purpose: Purpose, headers: &HeaderMap, now: Timestamp) -> Result<Issued, SignInError> {
        let (binding, cookie) = if let Some(known) = binding(headers) {
            (known.to_owned(), None)
        } else {
            let new = random::alphanumeric(COOKIE_LENGTH).map_err(SignInError::internal)?;
            let cookie = cookie::set_form(&new).map_err(SignInError::internal)?;
            (new, Some(cookie))
        };
        let until = now.after(LIFE).millis().to_string();
        let sealed = self.sealer.seal(until.as_bytes(), &context(purpose, &binding)).map_err(SignInError::internal)?;
        Ok(Issued { token: URL_SAFE_NO_PAD.encode(sealed), cookie })
    }

    /// Whether a POST with these headers and this token came from a form of ours.
    pub(super) fn check(&self, purpose: Purpose, headers: &HeaderMap, token: &str, now: Timestamp) -> Result<(), SignInError> {
        let until = binding(headers).and_then(|binding| {
            let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
            let until = self.sealer.open(&sealed, &context(purpose, binding)).ok()?;
            std::str::from_utf8(&until).ok()?.parse().ok().map(Timestamp::from_millis)
        });
        let fresh = until.is_some_and(|until| now < until);
        if fresh && self.is_from_here(headers) { Ok(()) } else { Err(SignInError::ForeignForm) }
    }

    /// What browsers say about where a request comes from. A program says nothing, and has no cookie that somebody else could abuse.
    pub(super) fn is_from_here(&self, headers: &HeaderMap) -> bool {
        let says = |name: &str, ours: &str| headers.get_all(name).iter().all(|value| value.as_bytes() == ours.as_bytes());
        says("sec-fetch-site", "same-origin") && says(header::ORIGIN.as_str(), &self.origin)
    }
}

fn binding(headers: &HeaderMap) -> Option<&str> {
    let value = cookie::value(headers, cookie::FORM)?;
    (value.len() == COOKIE_LENGTH && value.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(value)
}

fn context(purpose: Purpose, binding: &str) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::Password => "password:",
        Purpose::Address => "address:",
        Purpose::Mail => "mail:",
        Purpose::Code => "code:",
        Purpose::Link => "link:",
        Purpose::Invitation => "invitation:",
        Purpose::SignOut => "sign-out:",
        Purpose::BreakGlass => "break-glass:",
        Purpose::Sessions => "sessions:",
        Purpose::SecondFactor => "second-factor:",
        Purpose::Factors => "factors:",
        Purpose::Keys => "keys:",
    };
    [purpose.as_bytes(), binding.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn only_our_own_form_in_the_same_browser_is_taken() {
        let forms = Forms::new(b"a master key", "https://app.example".to_owned()).unwrap();
        let issued = forms.issue(Purpose::Password, &HeaderMap::new(), NOW).unwrap();
        let cookie = issued.cookie.unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
        let headers = |extra: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(&cookie).unwrap())]);
            for (name, value) in extra {
                headers.append(*name, HeaderValue::from_static(value));
            }
            headers
        };
        let taken = |headers: &HeaderMap| forms.check(Purpose::Password, headers, &issued.token, NOW).is_ok();
        assert!(taken(&headers(&[("origin", "https://app.example"), ("sec-fetch-site", "same-origin")])));
        assert!(taken(&headers(&[])), "a program that keeps cookies");
        for foreign in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://app.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
        ] {
            assert!(!taken(&headers(&[foreign])), "{foreign:?}");
        }
        assert!(!taken(&HeaderMap::new()), "another browser");
        assert!(forms.check(Purpose::SignOut, &headers(&[]), &issued.token, NOW).is_err(), "another form");
        assert!(forms.check(Purpose::Password, &headers(&[]), "", NOW).is_err());
        assert!(forms.check(Purpose::Password, &headers(&[]), &issued.token, NOW.after(LIFE)).is_err());
        assert!(forms.issue(Purpose::SignOut, &headers(&[]), NOW).unwrap().cookie.is_none(), "one binding for all tabs");
    }

    proptest::proptest! {
        /// Whatever is sent as a form's token, it is one that we sealed, or none.
        #[test]
        fn no_made_up_token_is_one(token in "\\PC{0,200}") {
            let forms = Forms::new(b"a master key", "https://app.example".to_owned()).unwrap();
            let cookie = format!("{}={}", cookie::FORM, "a".repeat(COOKIE_LENGTH));
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(cookie).unwrap())]);
            proptest::prop_assert!(forms.check(Purpose::Mail, &headers, &token, NOW).is_err());
        }
    }
}
