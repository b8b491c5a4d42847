//! The address a person wanted, and goes back to after signing in.
//!
//! Refuses every address that is not on the door's own origin or a listed one, judged by the parser that browsers use (WHATWG URL),
//! because a front door that sends people wherever a link says lends its good name to the link's author (threats C6).

use url::{Origin, Url};

/// Longest address that is kept: it travels in a cookie, which may hold 4096 bytes.
const LONGEST: usize = 2048;

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

    /// `text` as a path on the own origin, or as a whole address on the own or a listed one.
    #[must_use]
    pub(super) fn parse(&self, text: &str) -> Option<ReturnTo> {
        // What browsers strip or fold before they parse is refused instead: another parser may not fold it.
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if text.len() > LONGEST || text.contains(odd) {
            return None;
        }
        let url = if text.starts_with('/') { self.own.join(text) } else { Url::parse(text) }.ok()?;
        // `https:evil` and `https:///evil` are whole addresses to a browser only by leniency.
        let whole = text.starts_with('/') || text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
        let plain = whole && matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
        let allowed = url.origin() == self.own.origin() || self.others.contains(&url.origin());
        (plain && allowed && url.as_str().len() <= LONGEST).then_some(ReturnTo(url))
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

    /// Addresses that have led people away from other front doors, or try to.
    #[rustfmt::skip]
    const TRICKS: &[&str] = &[
        "//evil.example", "///evil.example", "////evil.example", "//evil.example/%2f..", "//evil.example:443", "//evil.example@app.example",
        "//app.example@evil.example", "//app.example.evil.example", "//app.example%2eevil.example", "//[::1]", "//2130706433", "//0x7f.1",
        "//evil%E3%80%82example", "//evil。example", "//ｅｖｉｌ.example", "/\\evil.example", "/\\/evil.example", "\\\\evil.example",
        "\\/evil.example", "/\\\\evil.example", "\\evil.example", "/%5cevil.example\\", "https:evil.example", "https:/evil.example",
        "https:///evil.example", "https:////evil.example", "https:\\\\evil.example", "https:/\\evil.example", "https:\\/evil.example",
        "http:evil.example", "http:/evil.example", "http:///evil.example", "http://evil.example", "https://evil.example", "HTTPS://EVIL.EXAMPLE",
        "hTTps://evil.example/https://app.example", "https://evil.example?https://app.example", "https://evil.example#https://app.example",
        "https://evil.example\\@app.example", "https://app.example@evil.example", "https://app.example:pass@evil.example",
        "https://app.example%40evil.example", "https://evil.example@app.example", "https://evil.example:x@app.example",
        "https://app.example.evil.example", "https://app.example.evil.example:443", "https://evilapp.example", "https://app.example:8443",
        "https://app.example:80", "http://app.example", "http://app.example:443", "https://app.example.", "https://other.example",
        "https://other.example:443", "http://other.example:8443", "https://sub.other.example:8443", "https://sub.app.example",
        "https://app.examples", "https://app", "https://example", "https://", "https:", "http:", "//", "///", "https://?", "https://#",
        "https://@", "https://:443", "https://[", "https://[app.example]", "https://app.example:99999", "https://app example",
        "javascript:alert(1)", "JavaScript:alert(1)", "javascript://app.example/%0aalert(1)", "java\nscript:alert(1)", "java\tscript:alert(1)",
        " javascript:alert(1)", "\u{1}javascript:alert(1)", "data:text/html,x", "data://app.example", "vbscript:x", "blob:https://app.example/1",
        "filesystem:https://app.example/", "view-source:https://app.example", "about:blank", "file:///etc/passwd", "file://app.example/",
        "ftp://app.example/", "ws://app.example", "wss://app.example/", "mailto:a@app.example", "intent://app.example#Intent;end",
        "ldap://app.example", "gopher://app.example", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example",
        "\n//evil.example", "\r\n//evil.example", " //evil.example", "/ /evil.example", "/\u{0}/evil.example", "/\u{b}/evil.example",
        "/\u{c}/evil.example", "/\u{85}/evil.example", "/\u{a0}/evil.example", "/\u{2028}/evil.example", "/\u{3000}/evil.example",
        "/a\r\nLocation: https://evil.example", "/a\r\nSet-Cookie: a=b", "/\u{7f}", "h\tttps://evil.example", "ht\ntps://evil.example",
        "https:\t//evil.example", "https:/\t/evil.example", "https://app.example\t.evil.example", "", " ", "evil.example", "app.example",
        "www.evil.example/", ".evil.example", "@evil.example", ":evil.example", "?//evil.example", "#//evil.example", "./evil", "../evil",
        "..//evil.example", "%2f%2fevil.example", "%2F/evil.example", "%5c%5cevil.example", "https%3A%2F%2Fevil.example",
        "%68ttps://evil.example", "null", "undefined",
    ];

    /// Odd, but they stay: what matters is where a browser ends up.
    #[rustfmt::skip]
    const STAY: &[&str] = &[
        "/%2fevil.example", "/%2f%2fevil.example", "/%5cevil.example", "/%09/evil.example", "/.//evil.example", "/..//evil.example",
        "/a/..//evil.example", "/@evil.example", "/:evil.example", "/;//evil.example", "/?//evil.example", "/#//evil.example",
        "/https://evil.example", "/javascript:alert(1)", "/%0d%0aLocation:%20https://evil.example", "/。/evil.example",
        "/%E3%80%82evil.example", "/.evil.example", "/~/evil",
    ];

    #[test]
    fn no_trick_leaves_the_origin() {
        assert!(TRICKS.len() >= 100, "{}", TRICKS.len());
        for trick in TRICKS {
            assert_eq!(origins().parse(trick), None, "{trick:?}");
            assert_eq!(origins().parse_or_home(Some(trick)).as_str(), "https://app.example/");
        }
        for odd in STAY {
            let kept = origins().parse(odd).map(|kept| kept.as_str().to_owned()).unwrap_or_default();
            // Where a browser ends up that is sent there from any page.
            let landed = Url::parse("https://idp.example/x").unwrap().join(&kept).unwrap();
            assert_eq!(landed.origin(), origins().own().origin(), "{odd:?}");
            assert!(kept.is_ascii() && !kept.contains(['\r', '\n', '\t', '\\']), "{odd:?}");
        }
    }

    #[test]
    fn an_address_too_long_for_a_cookie_is_given_up() {
        let long = format!("/{}", "a".repeat(LONGEST));
        assert_eq!(origins().parse(&long), None);
    }
}
