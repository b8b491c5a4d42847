//! Where requests go, as far as `forward` does not look at it itself.
//!
//! Refuses TLS settings where there is no TLS, and no time at all.

use super::not_zero;
use crate::config::shown::shown_address;
use crate::config::upstream::Upstream;
use crate::config::{Path, Problems};

pub(super) fn review(upstream: &Upstream, path: &Path, problems: &mut Problems) {
    for (index, url) in upstream.urls.iter().enumerate().filter(|(index, url)| upstream.urls[..*index].contains(url)) {
        problems.add(path.key("urls").item(index), format!("`{}` is listed twice", shown_address(url)), "remove one of them");
    }
    tls(upstream, path, problems);
    let basic = upstream.headers.keys().find(|name| name.eq_ignore_ascii_case("authorization"));
    if let (Some(_), Some(name)) = (&upstream.basic, basic) {
        problems.add(path.key("headers").key(name), "`basic` sets this header already", "keep one of them");
    }
    let at = path.key("timeouts");
    for (key, span) in
        [("connect", upstream.timeouts.connect), ("first_byte", upstream.timeouts.first_byte), ("idle", upstream.timeouts.idle)]
    {
        not_zero(at.key(key), span, problems);
    }
    if let Some(health) = &upstream.health {
        not_zero(path.key("health").key("interval"), health.interval, problems);
        not_zero(path.key("health").key("timeout"), health.timeout, problems);
    }
}

fn tls(upstream: &Upstream, path: &Path, problems: &mut Problems) {
    let typed = &upstream.tls;
    let given = [
        ("ca", typed.ca.is_some()),
        ("cert", typed.cert.is_some()),
        ("key", typed.key.is_some()),
        ("server_name", typed.server_name.is_some()),
    ];
    let spoken = upstream.url.iter().chain(&upstream.urls).any(|url| url.starts_with("https:"));
    if let (false, Some((key, _))) = (spoken, given.iter().find(|(_, given)| *given)) {
        let hint = "write its URL with `https://`, or remove `tls`";
        problems.add(path.key("tls").key(key), "no server of this upstream is spoken to over TLS", hint);
    }
}
