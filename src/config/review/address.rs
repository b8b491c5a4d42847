//! Addresses: URLs and hosts, as they may be written.
//!
//! Refuses what would be passed over silently: a path, user information or a fragment where none is looked at.

use url::{Host, Url};

use crate::config::shown::shown_address as shown;
use crate::config::{Path, Problems};

/// The address people type.
pub(super) fn public_url(text: &str, problems: &mut Problems) {
    let path = Path::from("public_url");
    match origin(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") => {}
        Ok(_) => problems.add(path, format!("`{}` is not an http(s) address", shown(text)), "write `https://app.example.com`"),
        Err(what) => problems.add(path, format!("`{}`: {what}", shown(text)), "write `https://app.example.com`"),
    }
}

/// Scheme, host and port, and nothing else.
pub(super) fn origin(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "this is not a URL")?;
    match &url {
        url if url.host().is_none() => Err("the host is missing"),
        url if !url.username().is_empty() || url.password().is_some() => Err("user name and password have no place here"),
        url if url.query().is_some() || url.fragment().is_some() => Err("a query or fragment has no place here"),
        url if !matches!(url.path(), "" | "/") => Err("a path has no place here"),
        _ => Ok(url),
    }
}

/// The address of somebody who is trusted to say who people are: HTTPS, unless it is on this machine.
pub(super) fn trusted(path: Path, text: &str, problems: &mut Problems) {
    let hint = "anybody on the way could answer in its name; plain HTTP is taken only from this machine (`http://127.0.0.1`)";
    encrypted(path, text, false, hint, problems);
}

/// The address of somebody who is told things: HTTPS, unless it is on this machine or the sender's `plain_http` is set.
pub(super) fn receiver(path: Path, text: &str, plain_http: bool, problems: &mut Problems) {
    let hint = "anybody on the way could read along; plain HTTP is spoken only with this machine, or with `plain_http: true`";
    encrypted(path, text, plain_http, hint, problems);
}

fn encrypted(path: Path, text: &str, plain_http: bool, hint: &str, problems: &mut Problems) {
    let Ok(url) = Url::parse(text) else {
        return problems.add(path, format!("`{}` is not a URL", shown(text)), "write `https://…`");
    };
    if url.scheme() == "http" && (plain_http || is_loopback(&url)) || url.scheme() == "https" {
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            problems.add(path, "user name, password or fragment have no place here", "");
        }
        return;
    }
    problems.add(path, format!("`{}` is not an HTTPS address", shown(text)), hint);
}

/// The host is this machine by its very name (RFC 6761 §6.3), without asking anybody.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `address:port`, with port 0 for any free one.
pub(super) fn is_socket_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let named = |host: &str| !host.contains(':') && matches!(Host::parse(host), Ok(Host::Domain(_)));
    port.parse::<u16>().is_ok() && (text.parse::<std::net::SocketAddr>().is_ok() || named(host))
}

/// The absolute path of a Unix socket, without its `unix:`.
pub(super) fn unix_path(text: &str) -> Option<Result<&str, &'static str>> {
    let path = text.strip_prefix("unix:")?;
    // sun_path of sockaddr_un holds 108 bytes with its final zero.
    Some(match path {
        _ if !path.starts_with('/') => Err("the path of a Unix socket begins with `/`"),
        _ if path.len() > 107 => Err("the path of a Unix socket has at most 107 bytes"),
        _ => Ok(path),
    })
}
