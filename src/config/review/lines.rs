//! Sinks that take lines or records: syslog, OTLP, files.
//!
//! Refuses what a receiver would have to guess at: names that break a syslog header, and a file whose folder depends on where the door was
//! started.

use url::Url;

use super::address;
use super::sinks::headers;
use crate::config::shown::shown;
use crate::config::sink::{File, Framing, Otlp, Sink, Syslog, Way};
use crate::config::{Path, Problems};

/// What the sink writes itself.
pub(super) const OWN_HEADERS: [&str; 6] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"];
/// Characters of a header's fields (RFC 5424 §6).
const HOSTNAME: usize = 255;
const APP_NAME: usize = 48;
const SD_NAME: usize = 32;

/// `at` is the sink, `path` its `syslog`.
pub(super) fn syslog(typed: &Syslog, sink: &Sink, at: &Path, path: &Path, problems: &mut Problems) {
    let way = Url::parse(&typed.url).ok().filter(is_bare).and_then(|url| Way::of(&url));
    match way {
        None => {
            let message = format!("`{}` is no address of a syslog server", shown(&typed.url));
            problems.add(path.key("url"), message, "write `tls://HOST`, `tcp://HOST` or `udp://HOST`, with `:PORT` if need be");
        }
        Some(Way::Tls) => {}
        Some(way) => {
            if way == Way::Udp && typed.framing != Framing::default() {
                let hint = "by UDP each datagram is one message; leave it out";
                problems.add(path.key("framing"), "framing has no meaning without a connection", hint);
            }
            for (key, given) in [("ca", sink.ca.is_some()), ("client_certificate", sink.client_certificate.is_some())] {
                if given {
                    problems.add(at.key(key), "certificates have no meaning without TLS", "write `tls://…`, or leave it out");
                }
            }
        }
    }
    for (key, name, most) in [("hostname", typed.hostname.as_deref(), HOSTNAME), ("app_name", Some(&typed.app_name), APP_NAME)] {
        if name.is_some_and(|name| !is_printable(name, most)) {
            let hint = format!("1 to {most} ASCII characters without spaces");
            problems.add(path.key(key), "this cannot stand in the header of a message", hint);
        }
    }
    if !is_private_name(&typed.structured_data) {
        let hint =
            "write `NAME@NUMBER`, 32 characters at most, the number being your organisation's (IANA private enterprise numbers)";
        problems.add(path.key("structured_data"), "this is no name of structured data", hint);
    }
}

/// Nothing but scheme, host and port.
fn is_bare(url: &Url) -> bool {
    let login = !url.username().is_empty() || url.password().is_some();
    let more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
    url.host_str().is_some_and(|host| !host.is_empty()) && !login && !more
}

fn is_printable(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `name@number`, the number with dots where an organisation divides it (RFC 5424 §7.2.2).
fn is_private_name(text: &str) -> bool {
    let Some((name, number)) = text.split_once('@') else { return false };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    is_printable(text, SD_NAME) && !name.is_empty() && !text.contains(['=', ']', '"']) && number.split('.').all(is_number)
}

pub(super) fn otlp(typed: &Otlp, path: &Path, problems: &mut Problems) {
    address::receiver(path.key("url"), &typed.url, typed.plain_http, problems);
    headers(typed.headers.iter(), &OWN_HEADERS, &path.key("headers"), problems);
}

pub(super) fn file(typed: &File, path: &Path, problems: &mut Problems) {
    if !typed.path.is_absolute() {
        problems.add(path.key("path"), "the path is not absolute", "write it from `/` on");
    }
    if let Some(age) = typed.rotate.age {
        super::not_zero(path.key("rotate").key("age"), age, problems);
    }
}
