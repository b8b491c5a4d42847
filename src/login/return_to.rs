//! The address a person wanted, and goes back to after signing in.
//!
//! Refuses every address that is not on the door's own origin or a listed one, judged by the parser that browsers use (WHATWG URL),
//! because a front door that sends people wherever a link says lends its good name to the link's author (threats C6).

use url::{Origin, Url};

use crate::config::Config;

/// Longest address that is kept, in bytes. It travels in the cookie of an attempt, sealed, and browsers keep 4096 bytes of that; and in
/// the query of the sign-in page, where each byte may become three, and a target has 8192.
pub const LONGEST_ADDRESS: usize = 2400;

/// The door's own address, and the other origins people may be sent back to.
#[derive(Debug)]
pub(super) struct Origins {
    own: Url,
    others: Vec<Origin>,
}

/// An address that may be gone back to. Always whole, with scheme and host, so that nothing in its path can be read as a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo(Url);

impl Origins {
    /// `own` is the door's public address, whose path is `/`.
    #[must_use]
    pub(super) fn new(own: Url, others: Vec<Origin>) -> Self {
        Self { own, others }
    }

    /// Those of the configuration for a site; `None` where its public address is none, of which the review tells.
    #[must_use]
    pub(super) fn of(config: &Config, public_url: &str) -> Option<Self> {
        let own = Url::parse(public_url).ok()?;
        let others = config.sign_in.return_origins.iter().filter_map(|origin| Url::parse(origin).ok()).map(|url| url.origin());
        Some(Self::new(own.join("/").ok()?, others.collect()))
    }

    #[must_use]
    pub(super) fn own(&self) -> &Url {
        &self.own
    }

    /// The others, as a content security policy names them.
    pub(super) fn others(&self) -> impl Iterator<Item = String> {
        self.others.iter().map(Origin::ascii_serialization)
    }

    /// The door's front page: where people go who did not say where.
    #[must_use]
    pub(super) fn home(&self) -> ReturnTo {
        ReturnTo(self.own.clone())
    }

    /// `text` if it may be gone back to, else [`Self::home`].
    #[must_use]
    pub(super) fn parse_or_home(&self, text: Option<&str>) -> ReturnTo {
        text.and_then(|text| self.parse(text)).unwrap_or_else(|| self.home())
    }

    /// Whether nothing but its length keeps `text` from being gone back to.
    #[must_use]
    pub(super) fn is_too_long(&self, text: &str) -> bool {
        let path = if text.starts_with('/') { self.own.as_str().len() - 1 } else { 0 };
        path + text.len() > LONGEST_ADDRESS
    }

    /// `text` as a path on the own origin, or as a whole address on the own or a listed one.
    #[must_use]
    pub(super) fn parse(&self, text: &str) -> Option<ReturnTo> {
        // What browsers strip or fold before they parse is refused instead: another parser may not fold it.
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if text.len() > LONGEST_ADDRESS || text.contains(odd) {
            return None;
        }
        let url = if text.starts_with('/') { self.own.join(text) } else { Url::parse(text) }.ok()?;
        // `https:evil` and `https:///evil` are whole addresses to a browser only by leniency.
        let whole = text.starts_with('/') || text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
        let plain = whole && matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
        let allowed = url.origin() == self.own.origin() || self.others.contains(&url.origin());
        (plain && allowed && url.as_str().len() <= LONGEST_ADDRESS).then_some(ReturnTo(url))
    }
}

impl ReturnTo {
    #[must_use]
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        let url = |text: &str| Url::parse(text).unwrap();
        Origins::new(url("https://app.example/"), vec![url("https://other.example:8443/").origin()])
    }

    #[test]
    fn path_query_and_fragment_survive() {
        for (typed, kept) in [
            ("/", "https://app.example/"),
            ("/reports?from=1&to=2", "https://app.example/reports?from=1&to=2"),
            ("/a%20b/%C3%A4?q=%2F%2Fevil.example#part", "https://app.example/a%20b/%C3%A4?q=%2F%2Fevil.example#part"),
            ("/?next=https://evil.example/", "https://app.example/?next=https://evil.example/"),
            ("https://app.example/deep?x", "https://app.example/deep?x"),
            ("https://APP.example:443/", "https://app.example/"),
            ("https://other.example:8443/there", "https://other.example:8443/there"),
        ] {
            assert_eq!(origins().parse(typed).as_ref().map(ReturnTo::as_str), Some(kept), "{typed}");
        }
    }

    /// `refused`: addresses that have led people away from other front doors, or try to. `kept`: odd, but what matters is where a
    /// browser ends up. The same are sent to the running door by `tests/it/login/return_to.rs`.
    #[derive(serde::Deserialize)]
    struct Tricks {
        refused: Vec<String>,
        kept: Vec<String>,
    }

    #[test]
    fn no_trick_leaves_the_origin() {
        let tricks: Tricks = serde_json::from_str(include_str!("../../tests/fixtures/return-addresses.json")).unwrap();
        assert!(tricks.refused.len() >= 100, "{}", tricks.refused.len());
        for trick in &tricks.refused {
            assert_eq!(origins().parse(trick), None, "{trick:?}");
            assert_eq!(origins().parse_or_home(Some(trick)).as_str(), "https://app.example/");
        }
        for odd in &tricks.kept {
            let kept = origins().parse(odd).map(|kept| kept.as_str().to_owned()).unwrap_or_default();
            // Where a browser ends up that is sent there from any page.
            let landed = Url::parse("https://idp.example/x").unwrap().join(&kept).unwrap();
            assert_eq!(landed.origin(), origins().own().origin(), "{odd:?}");
            assert!(kept.is_ascii() && !kept.contains(['\r', '\n', '\t', '\\']), "{odd:?}");
        }
    }

    #[test]
    fn an_address_too_long_for_a_cookie_is_given_up_and_can_be_told() {
        let origin = "https://app.example/";
        let longest = "a".repeat(LONGEST_ADDRESS - origin.len());
        for begin in ["/", origin] {
            let fits = format!("{begin}{longest}");
            assert_eq!(origins().parse(&fits).unwrap().as_str().len(), LONGEST_ADDRESS);
            assert!(!origins().is_too_long(&fits));
            let long = fits + "a";
            assert_eq!(origins().parse(&long), None);
            assert!(origins().is_too_long(&long));
        }
    }
}
