//! Where requests go.
//!
//! Refuses two answers to one question (`url` and `urls`), TLS settings where there is no TLS, and headers that frame a message.

use http::HeaderName;
use url::Url;

use super::{address, not_zero};
use crate::config::fit::shown;
use crate::config::upstream::Upstream;
use crate::config::{Path, Problems};

const WRITTEN: &str = "write `http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path/to/socket`";

pub(super) fn review(upstream: &Upstream, path: &Path, problems: &mut Problems) {
    let urls: Vec<(Path, &str)> = match (&upstream.url, upstream.urls.as_slice()) {
        (Some(url), []) => vec![(path.key("url"), url)],
        (None, [_, ..]) => {
            upstream.urls.iter().enumerate().map(|(index, url)| (path.key("urls").item(index), url.as_str())).collect()
        }
        (Some(_), [_, ..]) => return problems.add(path.key("urls"), "`url` and `urls` are both given", "keep one of them"),
        (None, []) => return problems.add(path.clone(), "the upstream has no address", format!("set `url`: {WRITTEN}")),
    };
    let mut tls = false;
    for (index, (path, url)) in urls.iter().enumerate() {
        if urls[..index].iter().any(|(_, earlier)| earlier == url) {
            problems.add(path.clone(), format!("`{}` is listed twice", shown(url)), "");
        }
        match server(url) {
            Ok(with_tls) => tls |= with_tls,
            Err(what) => problems.add(path.clone(), format!("`{}`: {what}", shown(url)), WRITTEN),
        }
    }
    transport(upstream, path, tls, problems);
    headers(upstream, path, problems);
    for (key, span) in
        [("connect", upstream.timeouts.connect), ("first_byte", upstream.timeouts.first_byte), ("idle", upstream.timeouts.idle)]
    {
        not_zero(path.key("timeouts").key(key), span, problems);
    }
}

/// Whether it is spoken to over TLS.
fn server(text: &str) -> Result<bool, &'static str> {
    if let Some(path) = address::unix_path(text) {
        return path.map(|_| false);
    }
    // `url` only knows the hosts of schemes it knows: h2c is http with prior knowledge.
    let as_http = text.strip_prefix("h2c://").map(|rest| format!("http://{rest}"));
    let url: Url = address::origin(as_http.as_deref().unwrap_or(text))?;
    match url.scheme() {
        "https" => Ok(true),
        "http" => Ok(false),
        _ => Err("this is not the address of an HTTP server"),
    }
}

fn transport(upstream: &Upstream, path: &Path, tls: bool, problems: &mut Problems) {
    let at = path.key("tls");
    let typed = &upstream.tls;
    let given = [
        ("ca", typed.ca.is_some()),
        ("cert", typed.cert.is_some()),
        ("key", typed.key.is_some()),
        ("server_name", typed.server_name.is_some()),
    ];
    if let (false, Some((key, _))) = (tls, given.iter().find(|(_, given)| *given)) {
        problems.add(
            at.key(key),
            "no server of this upstream is spoken to over TLS",
            "write its URL with `https://`, or remove `tls`",
        );
    }
    match (&typed.cert, &typed.key) {
        (Some(_), None) => problems.add(at.key("cert"), "the certificate has no key", "set `key` beside it"),
        (None, Some(_)) => problems.add(at.key("key"), "the key has no certificate", "set `cert` beside it"),
        _ => {}
    }
    if let Some(health) = &upstream.health {
        let at = path.key("health");
        if !health.path.starts_with('/') {
            problems.add(at.key("path"), format!("`{}` is not a path", shown(&health.path)), "write `/healthz`");
        }
        not_zero(at.key("interval"), health.interval, problems);
        not_zero(at.key("timeout"), health.timeout, problems);
    }
}

fn headers(upstream: &Upstream, path: &Path, problems: &mut Problems) {
    let at = path.key("headers");
    for (name, value) in &upstream.headers {
        header_name(at.key(name), name, problems);
        if http::HeaderValue::from_str(value.expose()).is_err() {
            problems.add(
                at.key(name),
                format!("the value of `{}` does not fit a header", shown(name)),
                "one line without control characters",
            );
        }
    }
    if let (Some(_), Some(name)) =
        (&upstream.basic, upstream.headers.keys().find(|name| name.eq_ignore_ascii_case("authorization")))
    {
        problems.add(at.key(name), "`basic` sets this header already", "keep one of them");
    }
    if upstream.basic.as_ref().is_some_and(|basic| basic.username.contains(':')) {
        // RFC 7617 §2.
        problems.add(path.key("basic").key("username"), "a user name with `:` cannot be sent with HTTP Basic", "");
    }
}

/// A header that the configuration may set on requests to the application.
pub(super) fn header_name(path: Path, name: &str, problems: &mut Problems) {
    const FRAMING: [&str; 11] = [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "cookie",
    ];
    match name.parse::<HeaderName>() {
        Err(_) => problems.add(path, format!("`{}` is not a header name", shown(name)), "use letters, digits and `-`"),
        Ok(parsed) if FRAMING.contains(&parsed.as_str()) => {
            problems.add(path, format!("`{name}` frames or routes the message and cannot be set here"), "choose another name");
        }
        Ok(_) => {}
    }
}
